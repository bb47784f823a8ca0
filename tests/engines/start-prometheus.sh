#!/usr/bin/env bash
# start-prometheus.sh DATADIR PORT   Prometheus 2.42 from Debian, which takes remote writes, also of samples that are some hours old.
# The URL is that of a datasource: it names a metric for every meter, as the feeder of the conformance suite writes them.
. "$(dirname "$0")/_lib.sh"
args "$@"
metrics="host_outlet_temp=ipmi_outlet_celsius&host_inlet_temp=ipmi_inlet_celsius&host_airflow=ipmi_airflow_cfm"
metrics="$metrics&host_power=ipmi_power_kilowatts*1000&instance_ram_allocated=ceilometer_memory"
metrics="$metrics&instance_l3_cache_usage=ceilometer_cpu_l3_cache&instance_root_disk_size=ceilometer_disk_root_size"
URL="prometheus://127.0.0.1:$PORT?step=60&$metrics"
already "$URL"
apt_need curl curl
apt_need prometheus prometheus
cat >"$DATADIR/prometheus.yml" <<CONF
storage:
  tsdb:
    out_of_order_time_window: 48h
scrape_configs:
  # Nothing, until somebody writes targets: Watcher's own driver looks hosts up among them.
  - job_name: node
    scrape_interval: 1h
    file_sd_configs:
      - files: [$DATADIR/targets.json]
CONF
launch prometheus --config.file="$DATADIR/prometheus.yml" --storage.tsdb.path="$DATADIR/tsdb" \
    --web.listen-address="127.0.0.1:$PORT" --web.enable-remote-write-receiver --log.level=warn
wait_for curl -fsS "http://127.0.0.1:$PORT/-/ready"
echo "$URL"

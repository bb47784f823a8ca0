#!/usr/bin/env bash
# start-elasticsearch.sh DATADIR PORT   a real single Elasticsearch node (the build without X-Pack). Transport port PORT+1.
# ES_VERSION: 7.17.9 (default); wants a Java of 17 to 21; ES_HEAP (default 1g). This build lacks the reindex, painless and
# analysis modules: no _delete_by_query, no _update_by_query, no scripts. (8.11.1 starts too, but lacks even GET /.)
. "$(dirname "$0")/_lib.sh"
args "$@"
URL=http://127.0.0.1:$PORT
STORE=es://127.0.0.1:$PORT
already "$STORE"
apt_need curl curl
V=${ES_VERSION:-7.17.9}
HOME_DIR=$CACHE/elasticsearch-$V
if [ ! -x "$HOME_DIR/bin/elasticsearch" ]; then
  (
    flock -w 900 9
    [ -x "$HOME_DIR/bin/elasticsearch" ] && exit 0
    apt_need mvn maven; apt_need unzip unzip
    say "fetching Elasticsearch $V"
    mvn -q -B ${MAVEN_REPO:+-Dmaven.repo.local="$MAVEN_REPO"} dependency:get -Dtransitive=false -Dartifact="org.elasticsearch.distribution.integ-test-zip:elasticsearch:$V:zip" >&2
    M2=${MAVEN_REPO:-$HOME/.m2/repository}
    unzip -q -o "$M2/org/elasticsearch/distribution/integ-test-zip/elasticsearch/$V/elasticsearch-$V.zip" -d "$CACHE" >&2
  ) 9>"$CACHE/elasticsearch.lock"
fi
JH=${ES_JAVA_HOME:-$(java_home 17 21)}
if [ -z "$JH" ]; then apt_need /usr/lib/jvm/default-java default-jre-headless; JH=/usr/lib/jvm/default-java; fi
unroot
mkdir -p "$DATADIR"/{data,logs,config,tmp}
cp -n "$HOME_DIR"/config/log4j2.properties "$DATADIR/config/"
cat >"$DATADIR/config/jvm.options" <<J
-Xms${ES_HEAP:-1g}
-Xmx${ES_HEAP:-1g}
-XX:+UseG1GC
-XX:-AlwaysPreTouch
-Djava.io.tmpdir=$DATADIR/tmp
J
cat >"$DATADIR/config/elasticsearch.yml" <<Y
cluster.name: undercroft
node.name: n1
network.host: 127.0.0.1
http.port: $PORT
transport.port: $((PORT + 1))
discovery.type: single-node
http.max_content_length: 16mb
xpack.security.enabled: false
path.data: $DATADIR/data
path.logs: $DATADIR/logs
cluster.routing.allocation.disk.threshold_enabled: false
Y
[ "${UNROOT[0]:-}" != setpriv ] || chown -R nobody "$DATADIR"
ES_JAVA_HOME=$JH JAVA_HOME=$JH ES_PATH_CONF=$DATADIR/config ES_TMPDIR=$DATADIR/tmp \
  launch "${UNROOT[@]}" "$HOME_DIR/bin/elasticsearch"
wait_for curl -fsS -m 3 "$URL/_cluster/health?wait_for_status=yellow&timeout=2s"
echo "$STORE"

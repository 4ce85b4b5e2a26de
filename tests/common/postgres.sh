# A PostgreSQL server of one test program, in a folder of its own. Ends with its standard input, so that it ends with the
# program, however that ends. Arguments: the folder of the server's programs, and a port to take TCP on, or nothing.
set -eu
trap '' INT TERM HUP
programs=$1
port=${2:-}
folder=$(mktemp -d /tmp/cello-relay-tests.XXXXXX)
finish() {
    "$programs/pg_ctl" --pgdata="$folder/data" --mode=immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap finish EXIT
control() {
    "$programs/pg_ctl" --pgdata="$folder/data" --log="$folder/log" --wait "$@" >/dev/null || {
        cat "$folder/log" >&2
        exit 1
    }
}

cd "$folder"
"$programs/initdb" --pgdata=data --username=relay --auth=trust --encoding=UTF8 --locale=C --no-sync >log 2>&1 || {
    cat log >&2
    exit 1
}
# Nothing here outlives the program, so nothing is flushed. The relay asks for what its promises need by itself.
cat >>data/postgresql.conf <<SETTINGS
listen_addresses = ''
unix_socket_directories = '$folder'
fsync = off
full_page_writes = off
synchronous_commit = off
max_connections = 200
SETTINGS
if [ -n "$port" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext 'subjectAltName=DNS:localhost' -addext 'basicConstraints=critical,CA:FALSE' \
        -keyout data/server.key -out data/server.crt 2>>log
    chmod 600 data/server.key
    cp data/server.crt certificate.pem
    chmod 755 .
    cat >>data/postgresql.conf <<SETTINGS
listen_addresses = 'localhost'
port = $port
ssl = on
SETTINGS
fi
control start
echo "$folder"
while read -r order; do
    case $order in
    restart) control --mode=fast restart ;;
    stop) control --mode=fast stop ;;
    start) control start ;;
    crash) control --mode=immediate restart ;;
    esac
    echo done
done

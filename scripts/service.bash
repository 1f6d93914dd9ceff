# A service for the benches, to be sourced: start_service, service_memory and stop_service.
# shellcheck shell=bash

# How long a service may take to be ready, in seconds: an empty one is at once.
ready_within=60

# Starts $1 on the data directory $2/data, with the rest as further arguments; its address is then
# in $service and its process in $service_pid. It asks for no tokens but where they say so.
start_service() {
    local velodrome=$1 scratch=$2 deadline=$((SECONDS + ready_within))
    shift 2
    VELODROME_AUTH=off "$velodrome" serve --data "$scratch/data" --listen 127.0.0.1:0 "$@" \
        >"$scratch/stdout" 2>"$scratch/stderr" &
    service_pid=$!
    service=
    until service=$(head -n 1 "$scratch/stdout" | grep -o 'http://[0-9.]*:[0-9]*') &&
        curl --silent --fail --max-time 5 --output /dev/null "$service/readyz"; do
        if ((SECONDS >= deadline)) || ! kill -0 "$service_pid" 2>/dev/null; then
            echo "the service is not ready:" >&2
            cat "$scratch/stdout" "$scratch/stderr" >&2
            return 2
        fi
        sleep 0.1
    done
}

# The service's memory in MB: VmRSS now, VmHWM at its peak.
service_memory() {
    awk -v name="$1:" '$1 == name { printf "%.0f", $2 * 1024 / 1e6 }' "/proc/$service_pid/status"
}

# Stops the service, if one runs, and waits for its end.
stop_service() {
    [[ -n ${service_pid:-} ]] || return 0
    kill -TERM "$service_pid" 2>/dev/null || true
    wait "$service_pid" 2>/dev/null || true
    service_pid=
}

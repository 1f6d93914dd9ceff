# Functions for benches that need a service, to be sourced: start_service, service_memory, stop_service.
# shellcheck shell=bash

# The time within which a service must be ready, in seconds. An empty one is ready immediately.
ready_within=60

# Starts the binary $1 with the data directory $2/data and the remaining arguments. Sets $service to its address
# and $service_pid to its process. It requires tokens only if the arguments say so.
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

# Prints the service's memory in MB: VmRSS is the current value, VmHWM the peak.
service_memory() {
    awk -v name="$1:" '$1 == name { printf "%.0f", $2 * 1024 / 1e6 }' "/proc/$service_pid/status"
}

# Stops the service, if it is running, and waits for it to end.
stop_service() {
    [[ -n ${service_pid:-} ]] || return 0
    kill -TERM "$service_pid" 2>/dev/null || true
    wait "$service_pid" 2>/dev/null || true
    service_pid=
}

#!/bin/sh
# Start of a container: the scripts of /docker-entrypoint.d in the order of their names, then the command.
#
#   *.envsh       is read by this shell: it may set variables
#   executable    is run; where it fails, the container ends with its code
#
# A first argument that is an option goes to `framerill serve`.
set -eu

folder=${FRAMERILL_ENTRYPOINT_D:-/docker-entrypoint.d}

say() {
  echo "entrypoint: $*" >&2
}

for script in "$folder"/*; do
  case $script in
    *.envsh)
      say "reads $script"
      . "$script"
      ;;
    *)
      [ -f "$script" ] || continue
      if [ ! -x "$script" ]; then
        say "$script is left out: it is not executable (COPY --chmod=755)"
        continue
      fi
      say "runs $script"
      "$script" || {
        code=$?
        say "$script failed with $code, and nothing is started"
        exit "$code"
      }
      ;;
  esac
done

case ${1:-} in
  '') set -- framerill serve ;;
  -*) set -- framerill serve "$@" ;;
esac
exec "$@"

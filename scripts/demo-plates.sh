#!/usr/bin/env bash
# Shows number plates end to end on what is at hand:  scripts/demo-plates.sh [VIDEO…]
#
# Models: FRAMERILL_MODELS, `models`, or those of the test material. Videos: the arguments, `inputs`, or the clips of the test
# material (FRAMERILL_MATERIAL, or ../shared/material). Without models a drawn clip is read with the tests' drawn models, and
# it is said how to get real ones. Leaves out/plates.
set -euo pipefail
cd "$(dirname "$0")/.."

framerill=${FRAMERILL:-target/release/framerill}
out=out/plates
material=${FRAMERILL_MATERIAL:-../shared/material}
drawn=crates/plates/tests/models

say() { printf '%s\n' "$*"; }

has_models() { "$framerill" plates models check --models "$1" >/dev/null 2>&1; }

# ONNX Runtime comes with the Python packages of `make setup`.
[ -n "${VIRTUAL_ENV:-}${ORT_DYLIB_PATH:-}" ] || export VIRTUAL_ENV=$PWD/.venv

models=
for folder in "${FRAMERILL_MODELS:-models}" models "$material/models"; do
  if has_models "$folder"; then
    models=$folder
    break
  fi
done
unset FRAMERILL_MODELS

# Nothing of an earlier demo is in what is shown.
rm -rf "$out"
mkdir -p "$out"
shopt -s nullglob
videos=("$@")
[ "${#videos[@]}" -gt 0 ] || videos=(inputs/*.{mp4,MP4,mov,avi,mkv})
[ "${#videos[@]}" -gt 0 ] || videos=("$material"/video/*.mp4)

is_drawn=
if [ -z "$models" ] || [ "${#videos[@]}" -eq 0 ]; then
  is_drawn=yes
  missing=videos
  [ -n "$models" ] || missing=models
  models=$drawn
  videos=("$out/drawn.mp4")
  python3 scripts/tiny_models.py draw FR4M3R1L |
    ffmpeg -v error -y -f rawvideo -pix_fmt rgb24 -s 640x360 -r 25 -i - "${videos[0]}"
fi

say "models   $models"
say "videos   ${#videos[@]}: ${videos[0]}$([ "${#videos[@]}" -eq 1 ] || printf ' …')"
status=0
"$framerill" plates run "${videos[@]}" --models "$models" --work-dir "$out" --quiet || status=$?
if [ "$status" -ne 0 ]; then
  say "the run ended with code $status; its log is $out/logs" >&2
  exit "$status"
fi
say ""
"$framerill" plates search --work-dir "$out" --limit 30
say ""
say "records       $out/plates.db, one a vehicle"
say "search        $framerill plates search PLATE --work-dir $out"
say "as a table    $framerill plates export --work-dir $out --format csv -o plates.csv"
if [ -n "$is_drawn" ]; then
  say ""
  if [ "$missing" = models ]; then
    say "This was a drawn clip with models that see drawn plates alone: there are no real models yet."
    say "which there are, and their licences    $framerill plates models list --models models"
    say "get them                               $framerill plates models pull --models models"
    say "then                                   make demo-plates, or: $framerill plates run VIDEOS --models models"
  else
    say "This was a drawn clip: there are no videos. Put some into \`inputs\`, or name them: scripts/demo-plates.sh VIDEO…"
  fi
fi

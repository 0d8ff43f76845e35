
requeue() {
  echo "out of time: goes on in the same job, requeued"
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" || exit 75
  exit 0
}

unit() { # those of the units named $1 that fall to this task, of $2 tasks, one after another
  declare -n mine=$1
  child='' asked='' ended='' failed=0
  trap 'heard=1 asked=1; [ -z "$child" ] || kill -USR1 "$child" 2>/dev/null' USR1 # Slurm's, before the time limit
  trap 'heard=1 ended=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM # scancel's, or the limit's
  for ((i = SLURM_ARRAY_TASK_ID; i < ${#mine[@]}; i += $2)); do
    [ -z "$ended" ] || break
    [ -z "$asked" ] || requeue
    "${compare[@]}" --unit "${mine[i]%%:*}" &
    child=$!
    [ -z "$asked" ] || kill -USR1 "$child" 2>/dev/null # heard before its number was known
    [ -z "$ended" ] || kill -TERM "$child" 2>/dev/null
    code=127 # what a command that is not there ends with
    # A signal ends `wait`, not what it waits for, which may be saving: this script must not end before it.
    while heard=; wait "$child"; status=$?; [ "$status" = 127 ] || code=$status; [ -n "$heard" ]; do :; done
    child=''
    [ "$code" = 0 ] && continue
    if [ -n "$asked" ] && [ -z "$ended" ]; then
      case $code in # 75: stopped, its work saved; 138: had not begun to listen
        75 | 138) requeue ;;
      esac
      exit 1 # what saves nothing in its time would be requeued for ever
    fi
    failed=1
  done
  [ -z "$ended" ] || exit 143
  exit "$failed"
}

submit() {
  sbatch --parsable "${options[@]}" "$@"
}

submit_array() { # of the units named $1, which wait for $2
  declare -n mine=$1
  tasks=${#mine[@]}
  [ "$tasks" -le "${most:-1001}" ] || tasks=$most
  local id
  id=$(submit "${resources[@]}" "${array_options[@]}" --array="0-$((tasks - 1))" --dependency="$2" \
    --output="$output/%A_%a.txt" "$script" unit "$1" "$tasks") || return
  array=${id%;*} # of several clusters sbatch says which
  for i in "${!mine[@]}"; do echo "${mine[i]#*:} ${array}_$((i % tasks))"; done >>"$logs/jobs.txt"
  echo "jobs ${array}_0 to ${array}_$((tasks - 1)) do ${#mine[@]} units"
}

case ${1:-} in
  prepare | finish) exec "${compare[@]}" "--$1" ;;
  unit) unit "$2" "$3" ;;
esac

if ! command -v sbatch >/dev/null; then
  echo "no sbatch on this machine: run this script where Slurm's commands are" >&2
  exit 1
fi
mkdir -p -- "$logs" || exit # without it every job fails, and says nothing
most=$(scontrol show config | sed -n 's/^MaxArraySize *= *//p')
output=${logs//%/%%}
first=$(submit "${resources[@]}" --output="$output/prepare_%j.txt" "$script" prepare) || exit
first=${first%;*}
echo "job $first prepares"
submit_array units "afterok:$first" || {
  scancel "$first"
  exit 1
}
failed=0
[ ${#later[@]} = 0 ] || submit_array later "afterany:$array" || {
  echo "not submitted: ${#later[@]} units that wait for what these choose: have the script printed again after them" >&2
  failed=1
}
last=$(submit --dependency="afterany:$array" --output="$output/finish_%j.txt" "$script" finish) || exit
echo "job ${last%;*} reports"
echo "logs: $logs; how far it is: kinj ${compare[*]:4} --units"
exit "$failed"

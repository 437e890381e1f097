/**
 * A process on the machine that outlives the connection by moments, and ends what was running when it was lost. Lines it reads:
 *
 *     r PID      a command runs; u PID: it has ended
 *     k RUN PID  SIGKILL to the command, all that bears its mark and all that they started; answers `d RUN`
 *     t PATH     a file not yet whole, as octal escapes; v PATH: it is whole, or gone
 *     b          nothing
 *     q          ends what runs, and itself
 *
 * End of input, or silence, of which it warns with `x`, is as q, but that there is time to leave after SIGTERM; then it looks twice more for what was about to start. What bears the mark of a command that has
 * ended by itself was left running by it on purpose, and stays: the mark ends with the command's process id.
 *
 * bash's read has a time limit; in another shell silence is not noticed, the end of input is.
 */
export const wardenScript = (idleLimitS: number): string => `
id=$1
mark=CNILAB_RUN=$id.
running=" "
files=" "
limit=
[ -n "$BASH_VERSION" ] && limit="-t ${idleLimitS}"
trap "" PIPE HUP INT TERM
cd /
family() {
  what=$1
  shift
  {
    for pid; do echo /proc/$pid/given; done
    grep -lsF -e "$what" /proc/[0-9]*/environ
    grep -s -e ^State: -e ^PPid: /proc/[0-9]*/status
  } | awk -F '[/: \\t]+' '
    $4 != "status" { found[$3]; next }
    $5 == "State" { if ($6 !~ /[ZX]/) alive[$3] }
    $5 == "PPid" { parent[$3] = $6 }
    END {
      do {
        more = 0
        for (pid in parent) if (!(pid in found) && (parent[pid] in found)) { found[pid]; more = 1 }
      } while (more)
      for (pid in found) if (pid in alive) print pid
    }'
}
finish() {
  rounds=0
  while [ $rounds -lt 60 ]; do
    pids=$(family "$@")
    [ -n "$pids" ] || return 0
    kill -$signal $pids 2> /dev/null
    [ $signal = KILL ] || sleep 0.2
    signal=KILL
    rounds=$((rounds + 1))
    [ $rounds -lt 4 ] || sleep 0.05
  done
}
sweep() {
  signal=$1
  finish "$mark none" $running
  for file in $(grep -lsF -e "$mark" /proc/[0-9]*/environ); do
    own=$(tr "\\0" "\\n" < $file 2> /dev/null | grep -F -e "$mark" | head -n 1)
    [ -n "$own" ] && [ -e "/proc/\${own##*.}" ] && finish "$own"
  done
  signal=KILL
  for file in $files; do rm -f -- "$(printf "$file")"; done
}
signal=KILL
echo "u \${EUID:-$(id -u)}"
while read -r $limit verb run pid; do
  case $verb in
    r) running="$running$run " ;;
    u) case $running in *" $run "*) running="\${running%% $run *} \${running#* $run }" ;; esac ;;
    t) files="$files$run " ;;
    v) case $files in *" $run "*) files="\${files%% $run *} \${files#* $run }" ;; esac ;;
    k) finish "$mark$run." $pid; echo "d $run" ;;
    q) sweep KILL; exit 0 ;;
  esac
done
echo x 2> /dev/null
for _ in 1 2 3; do
  sweep TERM
  sleep 1
done
`;

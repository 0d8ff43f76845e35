"""The script that Slurm runs: what stands in it, and what it does with a stand-in for Slurm's commands and for kinj.

The stand-ins are here for speed; test_real_slurm.py has the real thing.
"""

import os
import shlex
import shutil
import subprocess
from dataclasses import replace

import pytest

from kinj.compare.apart import slurm
from kinj.compare.apart.listing import UnitState, states
from kinj.compare.apart.slurm import Command, array_script, job_states
from kinj.compare.folder import OutputFolder
from kinj.compare.plan import make_plan
from kinj.compare.settings import SlurmSettings, seconds_of
from kinj.errors import UserError

UNITS = [UnitState(number, f"{number:016}", "m", "none", None, 3, 0, "waiting") for number in range(1, 7)]
#: For kinj: says its words, and ends as the first file of its unit's says, one line for each start.
KINJ = """#!/bin/bash
echo "$@" >> calls
for last; do :; done
trap 'echo saved >> calls; exit 75' USR1
trap 'exit 143' TERM
read -r seconds code < "unit-$last" 2>/dev/null
end=$((SECONDS + ${seconds:-0}))
while [ $SECONDS -lt $end ]; do sleep 0.05; done
exit "${code:-0}"
"""
SBATCH = """#!/bin/bash
printf '%s\\n' "$*" >> sbatch
echo "$(wc -l < sbatch)"
"""
SCONTROL = """#!/bin/bash
[ "$1" = show ] && echo "MaxArraySize            = ${MOST:-1001}" && exit
echo "$@" >> scontrol
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Writes the script of some units and settings, with stand-ins on the path, and gives its file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    for name, text in (("kinj", KINJ), ("sbatch", SBATCH), ("scontrol", SCONTROL)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def write(units=UNITS, **settings):
        out = OutputFolder(tmp_path / "my out")
        text = array_script(
            Command("plan.yaml", out, tmp_path), SlurmSettings.model_validate({"time": "1:00:00", **settings}), units
        )
        [line] = [line for line in text.splitlines() if line.startswith("compare=")]
        file = tmp_path / "units.sh"
        file.write_text(text.replace(line, "compare=(kinj compare)"))
        return file

    return write


def run(*words, **environment):
    done = subprocess.run(
        ["bash", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_three_jobs_are_submitted_one_after_another_and_the_log_folder_is_there_before(script, tmp_path):
    file = script(partition="gpu", account="mine", memory="64G", gpus=2, cpus=8, options=["--qos=long"])
    code, said = run(file)
    assert code == 0, said
    assert (tmp_path / "my out" / "slurm").is_dir()
    prepare, array, finish = [shlex.split(line) for line in (tmp_path / "sbatch").read_text().splitlines()]
    common = {"--partition=gpu", "--account=mine", "--time=1:00:00", "--qos=long", "--open-mode=append"}
    resources = {"--mem=64G", "--gres=gpu:2", "--cpus-per-task=8"}
    assert common <= set(prepare) & set(array) & set(finish)
    assert resources <= set(prepare) & set(array)
    assert not resources & set(finish)
    assert {"--array=0-5", "--dependency=afterok:1", "--kill-on-invalid-dep=yes", "--requeue"} <= set(array)
    assert "--signal=B:USR1@300" in array
    assert "--dependency=afterany:2" in finish
    assert said.splitlines()[:3] == ["job 1 prepares", "jobs 2_0 to 2_5 do 6 units", "job 3 reports"]
    assert (tmp_path / "my out" / "slurm" / "jobs.txt").read_text().splitlines()[3] == f"{4:016} 2_3"


def test_units_beyond_the_longest_array_are_packed_and_each_is_done_once(script, tmp_path):
    file = script()
    assert run(file, MOST="4")[0] == 0
    assert "--array=0-3 " in (tmp_path / "sbatch").read_text()
    for task in range(4):
        assert run(file, "unit", "units", "4", SLURM_ARRAY_TASK_ID=str(task))[0] == 0
    assert [line.split()[-1] for line in (tmp_path / "calls").read_text().splitlines()] == [
        "1",
        "5",
        "2",
        "6",
        "3",
        "4",
    ]


def test_units_whose_settings_are_searched_by_others_are_an_array_after_theirs(script, tmp_path):
    units = [replace(unit, waits_for=2 if unit.number in (3, 4) else 99) for unit in UNITS]
    file = script(units)
    _, said = run(file)
    assert said.splitlines()[1:3] == ["jobs 2_0 to 2_3 do 4 units", "jobs 3_0 to 3_1 do 2 units"]
    _, first, later, finish = (tmp_path / "sbatch").read_text().splitlines()
    assert "--array=0-3 --dependency=afterok:1 " in first
    assert "--array=0-1 --dependency=afterany:2 " in later
    assert "--dependency=afterany:3 " in finish
    assert (tmp_path / "my out" / "slurm" / "jobs.txt").read_text().splitlines()[4:] == [f"{3:016} 3_0", f"{4:016} 3_1"]
    assert run(file, "unit", "later", "2", SLURM_ARRAY_TASK_ID="1")[0] == 0
    assert (tmp_path / "calls").read_text().splitlines() == ["compare --unit 4"]
    # The one that searches is done, or none of those that are printed: nothing waits.
    assert "later=()" in script([replace(units[1], state="done"), *units[2:]]).read_text()


def test_where_the_second_array_is_refused_the_first_is_still_reported(script, tmp_path):
    file = script([replace(unit, waits_for=2 if unit.number == 3 else None) for unit in UNITS])
    sbatch = tmp_path / "bin" / "sbatch"
    refuse = '[[ "$*" == *" later "* ]] && echo "QOSMaxSubmitJobPerUserLimit" >&2 && exit 1\n'
    sbatch.write_text(SBATCH.replace("printf", refuse + "printf", 1))
    code, said = run(file)
    assert code == 1
    assert "not submitted: 1 units that wait for what these choose" in said
    assert "--dependency=afterany:2 " in (tmp_path / "sbatch").read_text().splitlines()[-1]
    assert "job 3 reports" in said


def test_a_unit_that_fails_fails_the_task_once_the_others_of_it_are_done(script, tmp_path):
    (tmp_path / "unit-1").write_text("0 1\n")
    assert run(script(), "unit", "units", "3", SLURM_ARRAY_TASK_ID="0")[0] == 1
    assert [line.split()[-1] for line in (tmp_path / "calls").read_text().splitlines()] == ["1", "4"]


def test_a_python_that_is_not_on_the_node_fails_the_task(script, tmp_path):
    file = script()
    (tmp_path / "bin" / "kinj").unlink()
    assert run(file, "unit", "units", "6", SLURM_ARRAY_TASK_ID="0")[0] == 1


@pytest.mark.parametrize(("number", "code", "again"), [("USR1", 0, True), ("TERM", 143, False)])
def test_before_the_limit_it_saves_and_is_requeued_and_cancelled_it_is_not(script, tmp_path, number, code, again):
    (tmp_path / "unit-1").write_text("30 0\n")
    job = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_JOB_ID": "17"}
    process = subprocess.Popen(["bash", str(script()), "unit", "units", "3"], env={**os.environ, **job})
    while not (tmp_path / "calls").is_file():
        pass
    subprocess.run(["sleep", "0.3"], check=True)  # its traps
    subprocess.run(["kill", f"-{number}", str(process.pid)], check=True)
    assert process.wait(timeout=20) == code
    assert (tmp_path / "scontrol").is_file() is again
    if again:
        assert (tmp_path / "scontrol").read_text() == "requeue 17_0\n"
        assert (tmp_path / "calls").read_text().endswith("saved\n")


def test_a_signal_that_comes_before_the_units_number_is_known_reaches_it(script, tmp_path):
    (tmp_path / "unit-1").write_text("20 0\n")
    file = script()
    begun = "until [ -s calls ]; do sleep 0.05; done; sleep 0.3; kill -USR1 $$\n    child=$!\n"
    file.write_text(file.read_text().replace("    child=$!\n", f"    {begun}"))
    assert run(file, "unit", "units", "6", SLURM_ARRAY_TASK_ID="0", SLURM_ARRAY_JOB_ID="17")[0] == 0
    assert (tmp_path / "scontrol").read_text() == "requeue 17_0\n"


def test_without_sbatch_it_is_one_line(script, tmp_path):
    file = script()
    (tmp_path / "bin" / "sbatch").unlink()
    for name in ("bash", "realpath"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    code, said = run(file, PATH=str(tmp_path / "bin"))
    assert code == 1
    assert said == "no sbatch on this machine: run this script where Slurm's commands are\n"


def test_what_is_done_is_not_submitted_again_and_where_all_is_there_is_nothing_to_print(script):
    done = [replace(unit, state="done") for unit in UNITS]
    assert f"units=(3:{3:016})" in script([*done[:2], UNITS[2], *done[3:]]).read_text()
    with pytest.raises(UserError, match=r"all 6 units are done: .* --finish reports"):
        script(done)


def test_a_plan_without_settings_for_slurm_says_what_to_add(tmp_path):
    with pytest.raises(UserError, match=r'plan.yaml has no key `slurm`: add slurm: \{ time: "24:00:00" \}'):
        array_script(Command("plan.yaml", OutputFolder(tmp_path), tmp_path), None, UNITS)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("90", 5400), ("2:30", 150), ("1:00:05", 3605), ("2-3", 183_600), ("1-0:30", 88_200), ("1-0:0:7", 86_407)],
)
def test_times_are_read_as_slurm_reads_them(time, seconds):
    assert seconds_of(time) == seconds


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"time": 1440}, "slurm.time: 1440: Input should be a valid string"),
        ({"time": "a day"}, "slurm.time: 'a day': String should match"),
        ({"time": "5:00"}, "time 5:00 is less than twice stop_before, 300 s, and a minute"),
        ({"time": "1:00:00", "particion": "gpu"}, "did you mean 'partition'"),
    ],
)
def test_wrong_settings_are_one_line(plan_values, settings, said):
    with pytest.raises(UserError) as error:
        make_plan("plan.yaml", plan_values(slurm=settings))
    assert said in str(error.value)


def test_what_slurm_says_of_a_job_stands_in_the_list(comparison, tmp_path, monkeypatch):
    out = OutputFolder(tmp_path / "out")
    made = comparison(injection=["none"])
    [unit] = made.units
    out.slurm.mkdir(parents=True)
    (out.slurm / "jobs.txt").write_text(f"{unit.id} 3_0\n{unit.id} 17_0\n")
    (tmp_path / "sacct").write_text("#!/bin/bash\n[ $5 = 17 ] && echo '17_0|CANCELLED by 0'\n")
    (tmp_path / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    [state] = states(made, out, job_states(out))
    assert (state.state, state.why) == ("failed", "CANCELLED, job 17_0")
    (tmp_path / "sacct").write_text("#!/bin/bash\nexit 1\n")
    (tmp_path / "scontrol").write_text(
        "#!/bin/bash\necho 'JobId=19 ArrayJobId=17 ArrayTaskId=0 JobName=x JobState=OUT_OF_MEMORY Reason=None'\n"
    )
    (tmp_path / "scontrol").chmod(0o755)
    out.unit_to_write(unit.id)
    out.keep_failure(unit, "killed by signal 9")
    [state] = states(made, out, job_states(out))
    assert (state.state, state.why) == ("failed", "OUT_OF_MEMORY, job 17_0: killed by signal 9")


def test_accounts_that_do_not_answer_say_nothing(tmp_path, monkeypatch):
    out = OutputFolder(tmp_path / "out")
    out.slurm.mkdir(parents=True)
    (out.slurm / "jobs.txt").write_text("unit 17_0\n")
    for name, text in (("sacct", "exec sleep 20"), ("scontrol", "exit 1")):
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "_ANSWER_SECONDS", 0.1)
    assert job_states(out) == {}

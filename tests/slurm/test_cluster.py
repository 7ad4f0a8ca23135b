import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.brief]


def test_a_job_sees_its_gpu_and_is_accounted_for(cluster, tmp_path):
    out = tmp_path / "a log.txt"
    job = cluster.ask(
        "sbatch",
        "--parsable",
        "--wait",
        "--gpus-per-node=1",
        f"--output={out}",
        "--wrap=echo GPU $CUDA_VISIBLE_DEVICES",
    )
    assert out.read_text() == "GPU 0\n"
    assert (
        cluster.ask("sacct", "--noheader", "--parsable2", "--allocations", "--format=State", f"--jobs={job}")
        == "COMPLETED"
    )

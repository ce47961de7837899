"""Jobs whose process has ended without a word: killed, or lost with the machine."""

from viz_app.finetuning import hints, worker
from viz_app.finetuning.store import Job, Log


def settled(log: Log, job: Job, workers: bool = False) -> Job:
    """The job as it stands: stopped if it is said to run in a shell that is no more. With `workers`, also if it is
    running or paused on a device without a worker; a server would go on with such a job.
    """
    ours = worker.is_ours(job)
    if job.state not in (("running", "paused") if ours else ("running",)) or (ours and not workers):
        return job
    lock = worker.device_lock(log.directory, job.device) if ours else worker.shell_lock(log.directory, job.id)
    if not lock.acquire():
        return job
    sentence = "the process that trained it has ended"
    if not ours:
        sentence = f"its shell has ended; go on with: {hints.resume(job.id, log.directory)}"
    status = {"type": "status", "state": "stopped", "run": None, "message": sentence}
    log.append(job.id, messages=[status], state=("stopped", sentence))
    lock.release()
    if not ours:
        lock.path.unlink(missing_ok=True)
    return log.job(job.id)

"""The two pipelines of Millstream's pipeline.toml as tasks of Apache Airflow: `ingest` polls users into the topic, then `store`
checks, deduplicates and stores what the topic holds. Each task runs `millstream run` until it has caught up.

What its exit codes mean to Airflow:

    0   the pipeline has handled all there was: success; the task's result is what became of the records
    1   it failed, or had not caught up when its time was over (the broker is away, say): retried, then failed. A retry
        goes on from the last commit, and loses and repeats nothing
    2   the configuration or the command line is wrong: failed at once, as no retry would help

Settings, from the environment of the worker:

    MILLSTREAM           the program; default: millstream
    MILLSTREAM_CONFIG    the configuration; default: /etc/millstream/pipeline.toml
    MILLSTREAM_FOR       the longest time of one attempt; default: 5m
    MILLSTREAM_RETRIES   attempts after the first one; default: 2

Nothing else is needed: no provider, no connection. Millstream can also keep the schedule itself (`schedule` in pipeline.toml);
the command line's `--until` and `--for`, as used here, take precedence over it.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta

import pendulum

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
from airflow.exceptions import AirflowException, AirflowFailException

CONFIGURATION_IS_WRONG = 2


def run(pipeline: str) -> dict:
    """Runs one pipeline until it has caught up; its log becomes the task's log, its counts the task's result."""
    command = [
        os.environ.get("MILLSTREAM", "millstream"),
        "run",
        os.environ.get("MILLSTREAM_CONFIG", "/etc/millstream/pipeline.toml"),
        "--only",
        pipeline,
        "--until",
        "caught-up",
        "--for",
        os.environ.get("MILLSTREAM_FOR", "5m"),
        "--no-watch",
        "--summary",
        "json",
        "--log-format",
        "text",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            print(line.rstrip())
        # One line, much shorter than what a pipe holds.
        summary, _ = process.communicate()
    finally:
        # A task that is cleared or times out: what was read is finished and committed.
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=10)
    if process.returncode == CONFIGURATION_IS_WRONG:
        raise AirflowFailException(f"{pipeline}: the configuration is wrong; `millstream check` says what to do")
    counts = json.loads(summary)["pipelines"][0] if summary else {}
    if process.returncode != 0:
        why = counts.get("why") or "its log above says why"
        raise AirflowException(f"{pipeline} ended with exit code {process.returncode}: {why}")
    print(f"{pipeline}: {counts['this_run']}")
    return counts["this_run"]


@dag(
    dag_id="millstream_users",
    description="Users from the Random User API through the topic into the table",
    schedule="*/5 * * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    # Each run takes up where the last one ended, so that those that were missed need not be made up for, and two at a
    # time would wait for each other.
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": int(os.environ.get("MILLSTREAM_RETRIES", "2")),
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
    },
    tags=["millstream"],
    doc_md=__doc__,
)
def millstream_users():
    ingest = task(task_id="ingest")(run)("ingest")
    store = task(task_id="store")(run)("store")
    ingest >> store


millstream_users()

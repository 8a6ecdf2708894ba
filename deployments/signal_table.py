"""Every series that the service exports; docs/metrics.md explains them in the same order.

Ray's export puts ``ray_`` in front of each name, ``_total`` behind counters, and adds ``application``, ``deployment``
and ``replica`` to the labels.
"""

from __future__ import annotations

from deployments.signals import Counter, Gauge, Histogram

# Waiting: from what nobody notices to the default deadline of a request.
_WAIT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
# Work: from a sentence on the rules of the refiner, some milliseconds, to the speakers of two hours on a CPU.
_WORK_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
_ANSWER_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
# Answers of somebody else's server.
_OUTSIDE_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# What requests wait for before their work begins: some milliseconds, up to the patience with a Limiter that is away.
_STORE_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Close together around the half second that finals are held to (docs/live.md).
_FINAL_BUCKETS_S = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)

STAGE_QUEUE = Histogram(
    "rayscribe_stage_queue_seconds",
    "How long work waited inside a stage before its engine began with it",
    _WAIT_BUCKETS_S,
    ("stage", "work"),
)
STAGE_WORK = Histogram(
    "rayscribe_stage_work_seconds",
    "How long an engine worked on a call, or on a batch",
    _WORK_BUCKETS_S,
    ("stage", "work"),
)
STAGE_BUSY = Counter(
    "rayscribe_stage_busy_seconds", "Seconds that engines worked, all threads together", ("stage", "work")
)
STAGE_AUDIO = Counter("rayscribe_stage_audio_seconds", "Seconds of audio that engines finished", ("stage", "work"))
MEMORY_SHORTAGES = Counter(
    "rayscribe_memory_shortages",
    "Batches that a device's memory did not hold; halves of such a batch follow",
    ("stage",),
)

BATCH_ITEMS = Histogram(
    "rayscribe_batch_items",
    "Windows in a batch of the recogniser",
    (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0),
    ("work",),
)
BATCH_PADDED = Counter(
    "rayscribe_batch_padded_seconds",
    "Longest window of each batch times its windows: what the engine computes",
    ("work",),
)
BATCH_FAILURES = Counter(
    "rayscribe_batch_failures", "Batches that failed; the windows of such a batch run again, each alone", ("work",)
)
RECOGNITION_QUEUED = Gauge("rayscribe_recognition_queued_seconds", "Audio that waits for a batch")
RECOGNITION_BATCHES = Gauge("rayscribe_recognition_running_batches", "Batches that run now")

LLM_CALLS = Counter("rayscribe_llm_calls", "Questions to the language model, by how they ended", ("outcome",))
LLM_TOKENS = Counter("rayscribe_llm_tokens", "Tokens of questions and answers, as an endpoint counts them", ("kind",))
LLM_TIME = Histogram("rayscribe_llm_seconds", "From a question to the language model to its answer", _OUTSIDE_BUCKETS_S)

OPEN = Gauge("rayscribe_open", "Requests that an ingress process holds", ("kind",))
ADMITTED = Counter("rayscribe_admitted", "Requests and sockets that were let in", ("dialect",))
REFUSED = Counter("rayscribe_refused", "Requests and sockets that were turned away at the door", ("dialect", "reason"))
LEASES = Gauge("rayscribe_leases", "Places under users' caps that the Limiter has given out")
LIMITER_TIME = Histogram(
    "rayscribe_limiter_seconds", "How long requests waited for the Limiter's word, granted or not", _STORE_BUCKETS_S
)
LIMITER_FAILURES = Counter(
    "rayscribe_limiter_failures",
    "Calls of the Limiter without an answer, by what for: to admit a request, or to report leases",
    ("call",),
)
LEASES_LOST = Counter("rayscribe_leases_lost", "Running requests that were stopped since others had taken their place")
DATABASE_TIME = Histogram(
    "rayscribe_database_seconds",
    "How long transactions took, waiting for a connection included",
    _STORE_BUCKETS_S,
    ("kind",),
)
DATABASE_FAILURES = Counter("rayscribe_database_failures", "Transactions that the database did not answer", ("kind",))

TRANSCRIPTIONS = Counter("rayscribe_transcriptions", "Recordings, by how they ended", ("origin", "outcome"))
TRANSCRIPTION_TIME = Histogram(
    "rayscribe_transcription_seconds",
    "From the bytes of a recording to its transcript",
    _ANSWER_BUCKETS_S,
    ("origin", "length"),
)
TRANSCRIPTION_RTFX = Histogram(
    "rayscribe_transcription_rtfx",
    "Seconds of recording transcribed in a second",
    (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0),
    ("origin", "length"),
)
TRANSCRIPTION_AUDIO = Counter("rayscribe_transcription_audio_seconds", "Seconds of recordings transcribed", ("origin",))
TRANSCRIPTION_BYTES = Counter("rayscribe_transcription_bytes", "Bytes of recordings as they came", ("origin",))
TRANSCRIPTION_STAGE = Histogram(
    "rayscribe_transcription_stage_seconds",
    "What a recording's transcription spent in each part of the graph, waiting included",
    _ANSWER_BUCKETS_S,
    ("stage",),
)
TRANSCRIPTION_STAGE_SPENT = Counter("rayscribe_transcription_stage_spent_seconds", "The same, added up", ("stage",))
WARNINGS = Counter("rayscribe_warnings", "Warnings in transcripts and finals", ("origin", "code"))

LIVE_SESSIONS = Gauge("rayscribe_live_sessions", "Live sessions that are open")
LIVE_ENDED = Counter("rayscribe_live_sessions_ended", "Live sessions, by how they ended", ("outcome",))
LIVE_UTTERANCES = Counter("rayscribe_live_utterances", "Utterances, by what their final is", ("outcome",))
LIVE_AUDIO = Counter("rayscribe_live_audio_seconds", "Audio of live sessions that ended")
LIVE_FINAL = Histogram(
    "rayscribe_live_final_seconds",
    "From the arrival of the last audio with speech to the final text of the utterance",
    _FINAL_BUCKETS_S,
)

JOBS_IN = Gauge("rayscribe_jobs", "Jobs in the database; every runner reports all of them", ("state",))
JOBS_OLDEST = Gauge("rayscribe_jobs_oldest_queued_seconds", "Age of the job that waits longest; 0 without one")
JOB_ATTEMPTS = Counter("rayscribe_job_attempts", "Attempts at jobs, by how they ended", ("outcome",))
WEBHOOKS_IN = Gauge("rayscribe_webhooks", "Webhooks in the database; every runner reports all of them", ("state",))
WEBHOOK_ATTEMPTS = Counter(
    "rayscribe_webhook_attempts", "Attempts to deliver webhooks, by how they ended", ("outcome",)
)
WEBHOOK_TIME = Histogram(
    "rayscribe_webhook_seconds",
    "How long an attempt to deliver took",
    _OUTSIDE_BUCKETS_S,
)

"""What a session says, in the messages of a Waves socket."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.contracts import RecognizedSpan, Segment, TimeSpan, Word
from deployments.errors import ServiceUnavailable
from deployments.text_joining import joined_sentences
from serve_app.assembly import segments_of
from serve_app.dialects.smallest_waves_errors import error_body
from serve_app.dialects.smallest_waves_live_query import WavesLiveQuery
from serve_app.dialects.socket_frames import Message
from serve_app.live.contracts import Final, Partial, SpeechEnded, SpeechStarted
from serve_app.request_log import this_request


class WavesMessages:
    """One session's messages. It keeps what was said where ``full_transcript`` asks for it, and numbers speakers."""

    def __init__(self, session_id: str, query: WavesLiveQuery) -> None:
        self._session_id = session_id
        self._query = query
        self._finals: list[str] = []
        self._speakers: dict[str, str] = {}

    def of_speech(self, event: SpeechStarted | SpeechEnded) -> Message:
        """Somebody begins or stops to speak."""
        kind = "speech_started" if isinstance(event, SpeechStarted) else "speech_ended"
        return {"type": kind, "session_id": self._session_id, "timestamp": round(event.at_s, 3)}

    def of_partial(self, partial: Partial) -> Message:
        """What may still change."""
        return self._transcription(partial, is_final=False)

    def of_final(self, final: Final) -> Message:
        """What will not change. It becomes the last message of a session by its ``is_last``."""
        message = self._transcription(final, is_final=True)
        if final.text:
            self._finals.append(final.text)
        if final.from_finalize:
            message["from_finalize"] = True
        if final.language is not None:
            message["language"] = final.language
            message["languages"] = [final.language]
        if final.warnings:
            # Ours, in the form of the answers to files.
            message["warnings"] = [
                {"code": warning.code.value, "message": warning.message} for warning in final.warnings
            ]
        return message

    def _transcription(self, said: Partial | Final, *, is_final: bool) -> Message:
        text = self._query.written(said.text)
        message: Message = {
            "type": "transcription",
            "status": "success",
            "session_id": self._session_id,
            # Clients of different ages read one or the other.
            "transcript": text,
            "transcription": text,
            "is_final": is_final,
            "is_last": False,
        }
        if self._query.full_transcript:
            message["full_transcript"] = self._query.written(joined_sentences((*self._finals, said.text)))
        speaker = said.speaker if isinstance(said, Final) else None
        if self._query.word_timestamps:
            message["words"] = [self._word(word, speaker) for word in said.words]
        if self._query.sentence_timestamps:
            message["utterances"] = [self._utterance(sentence, speaker) for sentence in _sentences(said.words)]
        return message

    def _word(self, word: Word, speaker: str | None) -> Message:
        return {
            "word": self._query.written(word.text),
            "start": round(word.start_s, 3),
            "end": round(word.end_s, 3),
            "confidence": round(word.confidence, 4),
            **self._speaker(word.speaker or speaker),
        }

    def _utterance(self, sentence: Segment, speaker: str | None) -> Message:
        return {
            "text": self._query.written(sentence.text),
            "start": round(sentence.start_s, 3),
            "end": round(sentence.end_s, 3),
            **self._speaker(sentence.speaker or speaker),
        }

    def _speaker(self, label: str | None) -> Message:
        """Numbers, in the order in which they were heard, as strings.

        The vendor's documents say both int and string; its SDK takes a message with an int for an error.
        """
        if not self._query.diarize or label is None:
            return {}
        return {"speaker": self._speakers.setdefault(label, str(len(self._speakers)))}


def error_message(error: Exception) -> Message:
    """An error in the words that its HTTP answer has."""
    _, body = error_body(error)
    message = {"type": "error", "status": "error", "message": body["message"], "error_code": body["error_code"]}
    session = this_request().session
    return message if session is None else {**message, "session_id": session}


def lost_message(error: ServiceUnavailable) -> Message:
    """An utterance could not be recognised: its final is empty, and the session goes on, which its code tells."""
    return {**error_message(error), "error_code": "UTTERANCE_LOST"}


def _sentences(words: Sequence[Word]) -> tuple[Segment, ...]:
    if not words:
        return ()
    span = TimeSpan(words[0].start_s, words[-1].end_s)
    return segments_of((RecognizedSpan(span, "", tuple(words)),), ())

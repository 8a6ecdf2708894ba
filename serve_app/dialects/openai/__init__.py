"""OpenAI's audio API: ``POST /v1/audio/transcriptions`` and the list of models, as the openai SDK 3.52 types them."""

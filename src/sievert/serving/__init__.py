"""The front door: HTTP API, live page, webhooks, settings, telemetry; `wiring.py` chooses the real parts.

Takes: requests, settings.
Gives: answers, problem documents, live streams, webhook deliveries.
Never: imports training, evaluation, datasets or torch.
"""

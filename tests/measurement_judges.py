"""People who judge what a measurement or an experiment drew, over HTTP."""

from sievert.schema.action import CaseKind


def judge_measurements(server, *, judges, harmful=None, policy="hate"):
    """Let so many people judge what waits: posts whose ids begin so break the policy. Return how often."""
    judged = 0
    for key in [server.new_key("review:work") for _ in range(judges)]:
        with server.client(key) as client:
            while True:
                given = client.post("/api/v1/cases/claim", json={"kinds": [CaseKind.MEASUREMENT]})
                if given.status_code == 204:
                    break
                case = given.json()["case"]
                breaks = harmful is not None and case["post_id"].startswith(harmful)
                done = client.post(
                    f"/api/v1/cases/{case['case_id']}/verdict",
                    json={"violates": [policy] if breaks else [], "judged": [policy]},
                )
                assert done.status_code < 300, done.text
                judged += 1
    return judged

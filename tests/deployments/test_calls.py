from __future__ import annotations

import pytest
from ray.serve.exceptions import DeploymentUnavailableError, ReplicaUnavailableError

from deployments.calls import Deadline, told_apart, wait_for
from deployments.errors import DeadlineExceeded, StageLost
from tests.fakes.stages import FakeResponse
from tests.serve_app.pipelines import never

pytestmark = pytest.mark.unit


async def test_a_call_that_began_when_the_time_was_up_is_cancelled() -> None:
    response = FakeResponse(never())
    with pytest.raises(DeadlineExceeded):
        await wait_for(response, Deadline(0.0))
    assert response.cancelled


@pytest.mark.parametrize("error", [ReplicaUnavailableError("r"), DeploymentUnavailableError("d")])
def test_a_replica_that_is_away_is_a_lost_stage(error: Exception) -> None:
    assert isinstance(told_apart(error), StageLost)

"""Requests over HTTP: both forms of body, waiting or not, events, pictures, follow-ups, cancelling."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.serve.conftest import HOLD, TURN, WORDED, Holding, Serve, png
from visiongpt_agent.serve.limits import ServeLimits


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def as_json(*images: bytes, **more: str) -> dict[str, Any]:
    return {"json": {"request": "turn it", "images": [data_url(image) for image in images], **more}}


def as_form(*images: bytes, **more: str) -> dict[str, Any]:
    files = [("images", ("a.png", image, "image/png")) for image in images]
    return {"data": {"request": "turn it", **more}, "files": files}


def as_bare_base64(*images: bytes) -> dict[str, Any]:
    return {"json": {"request": "turn it", "images": [base64.b64encode(image).decode() for image in images]}}


async def until(client: httpx.AsyncClient, url: str, *states: str) -> dict[str, Any]:
    for _ in range(600):
        state: dict[str, Any] = (await client.get(url)).json()
        if state["state"] in states:
            return state
        await asyncio.sleep(0.05)
    raise AssertionError(f"{url} is {state['state']}")


def events_of(text: str) -> list[dict[str, str]]:
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


@pytest.mark.parametrize("body", [as_json, as_form, as_bare_base64])
async def test_a_request_comes_back_with_its_result(serve: Serve, body: Any) -> None:
    async with serve() as (client, _):
        answer = await client.post("/v1/requests", **body(png((64, 48))))
        state = answer.json()
        picture = await client.get(state["result"]["images"][0]["url"])

    assert (answer.status_code, state["state"]) == (200, "finished")
    assert (state["result"]["answer"], state["result"]["status"], state["result"]["plan"]) == (WORDED, "done", TURN)
    assert [step["tool"] for step in state["result"]["steps"]] == ["transform_image"]
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (48, 64)


@pytest.mark.parametrize("how", [{"params": {"wait": "false"}}, {"headers": {"Prefer": "respond-async"}}])
async def test_who_does_not_wait_asks_later(serve: Serve, how: dict[str, Any]) -> None:
    async with serve() as (client, _):
        accepted = await client.post("/v1/requests", **as_json(png()), **how)
        state = await until(client, accepted.headers["location"], "finished")

    assert accepted.status_code == 202
    assert accepted.json()["state"] in ("queued", "running", "finished")
    assert state["result"]["answer"] == WORDED


async def test_events_tell_how_it_goes_and_can_be_taken_up_again(serve: Serve) -> None:
    async with serve() as (client, _):
        url = (await client.post("/v1/requests", **as_json(png()))).json()["id"]
        whole = await client.get(f"/v1/requests/{url}/events")
        rest = await client.get(f"/v1/requests/{url}/events", headers={"Last-Event-ID": "2"})
        nothing = await client.get(f"/v1/requests/{url}/events", headers={"Last-Event-ID": "4"})

    events = events_of(whole.text)
    assert whole.headers["content-type"].startswith("text/event-stream")
    assert [(event["id"], event["event"]) for event in events] == [
        ("1", "plan"),
        ("2", "started"),
        ("3", "finished"),
        ("4", "result"),
    ]
    assert json.loads(events[0]["data"]) == TURN
    assert json.loads(events[3]["data"])["result"]["answer"] == WORDED
    assert events_of(rest.text) == events[2:]
    assert nothing.status_code == 204


async def test_events_come_while_it_runs(serve: Serve, holding: Holding) -> None:
    async with serve(HOLD) as (client, app):
        run_id = (await client.post("/v1/requests?wait=false", **as_json(png()))).json()["id"]
        seen = []
        async for event in app.state.service.run(run_id).follow():
            seen.append(event.name)
            if seen == ["plan", "started"]:
                assert (await client.get(f"/v1/requests/{run_id}")).json()["state"] == "running"
                holding.let_go.set()

    assert seen == ["plan", "started", "finished", "started", "finished"]


async def test_a_thread_goes_on_with_its_pictures(serve: Serve) -> None:
    async with serve() as (client, _):
        first = (await client.post("/v1/requests", **as_form(png((64, 48))))).json()
        later = await client.post("/v1/requests", json={"request": "turn $2", "thread": first["thread"]})

    assert first["result"]["images"][0]["name"] == "$2"
    assert later.status_code == 200
    assert later.json()["thread"] == first["thread"]


async def test_threads_see_their_own_pictures_only(serve: Serve) -> None:
    async with serve() as (client, _):
        await client.post("/v1/requests", **as_form(png()))
        other = await client.post("/v1/requests", json={"request": "turn $1"})
        invented = await client.post("/v1/requests", json={"request": "turn $1", "thread": "thread-1"})

    assert (other.status_code, invented.status_code) == (422, 404)
    assert "no image $1" in other.json()["detail"]


async def test_a_thread_takes_one_request_at_a_time(serve: Serve, holding: Holding) -> None:
    async with serve(HOLD) as (client, _):
        thread = (await client.post("/v1/requests?wait=false", **as_json(png()))).json()["thread"]
        second = await client.post("/v1/requests", json={"request": "again", "thread": thread})

    assert second.status_code == 409


async def test_deleting_cancels_what_runs_and_forgets_what_ended(serve: Serve, holding: Holding) -> None:
    async with serve(HOLD) as (client, _app):
        url = (await client.post("/v1/requests?wait=false", **as_json(png()))).headers["location"]
        assert await asyncio.to_thread(holding.begun.acquire, timeout=20)
        cancelling = await client.delete(url)
        holding.let_go.set()
        ended = await until(client, url, "cancelled")
        forgotten = await client.delete(url)
        gone = await client.get(url)

    assert (cancelling.status_code, forgotten.status_code, gone.status_code) == (202, 204, 404)
    assert ended["result"]["status"] != "done"
    assert {step["tool"]: step["verdict"] for step in ended["result"]["steps"]}["transform_image"] == "skipped"


async def test_the_pictures_of_a_forgotten_request_are_gone(serve: Serve) -> None:
    async with serve() as (client, app):
        state = (await client.post("/v1/requests", **as_json(png()))).json()
        url = state["result"]["images"][0]["url"]
        (conversation,) = app.state.service._conversations.values()
        folder = conversation.store.folder
        assert list(folder.glob("img-*.png"))
        await client.delete(f"/v1/requests/{state['id']}")
        picture = await client.get(url)

    assert picture.status_code == 404
    assert not folder.exists()


async def test_what_is_old_or_too_much_expires(serve: Serve) -> None:
    async with serve(limits=ServeLimits(keep_requests=2)) as (client, app):
        ids = [
            (await client.post("/v1/requests", **as_json(png(color=c)))).json()["id"] for c in ("red", "blue", "tan")
        ]
        app.state.service.expire()
        kept = [(await client.get(f"/v1/requests/{run_id}")).status_code for run_id in ids]

    assert kept == [404, 200, 200]


async def test_disk_space_is_bounded(serve: Serve) -> None:
    async with serve(limits=ServeLimits(keep_bytes=1)) as (client, app):
        run_id = (await client.post("/v1/requests?wait=false", **as_json(png()))).json()["id"]
        await app.state.service.run(run_id).until_ended()
        for _ in range(100):
            if not app.state.service._conversations:
                break
            await asyncio.sleep(0.05)

        assert (await client.get(f"/v1/requests/{run_id}")).status_code == 404


async def test_a_full_queue_says_when_to_come_back(serve: Serve, holding: Holding) -> None:
    async with serve(HOLD, limits=ServeLimits(running=1, queue=1)) as (client, _):
        first = await client.post("/v1/requests?wait=false", **as_json(png()))
        assert await asyncio.to_thread(holding.begun.acquire, timeout=20)
        second = await client.post("/v1/requests?wait=false", **as_json(png()))
        third = await client.post("/v1/requests?wait=false", **as_json(png()))
        metrics = (await client.get("/metrics")).text
        waiting = await client.delete(second.headers["location"])

    assert [answer.status_code for answer in (first, second, third)] == [202, 202, 429]
    assert int(third.headers["retry-after"]) > 0
    assert "visiongpt_queued_requests 1.0" in metrics
    assert "visiongpt_running_requests 1.0" in metrics
    assert waiting.json()["state"] == "cancelled"


async def test_metrics_count_requests_and_steps(serve: Serve) -> None:
    async with serve() as (client, _app):
        await client.post("/v1/requests", **as_json(png()))
        await client.post("/v1/requests", json={"request": "turn $1"})
        for _ in range(100):
            metrics = (await client.get("/metrics")).text
            if 'status="failed"' in metrics:
                break
            await asyncio.sleep(0.02)

    assert 'visiongpt_requests_total{status="done"} 1.0' in metrics
    assert 'visiongpt_requests_total{status="failed"} 1.0' in metrics
    assert 'visiongpt_step_seconds_count{tool="transform_image"} 1.0' in metrics


async def test_a_request_out_of_time_gives_what_was_achieved(serve: Serve, holding: Holding) -> None:
    async with serve(HOLD, limits=ServeLimits(seconds=0.5)) as (client, _):
        asking = asyncio.create_task(client.post("/v1/requests", **as_json(png())))
        assert await asyncio.to_thread(holding.begun.acquire, timeout=20)
        await asyncio.sleep(0.6)
        holding.let_go.set()
        state = (await asking).json()

    assert state["state"] == "finished"
    assert state["result"]["status"] in ("partial", "failed")
    assert (
        any("time limit" in warning for warning in state["result"]["warnings"]) or "time" in state["result"]["answer"]
    )


async def test_the_tools_are_listed_with_what_they_need(serve: Serve) -> None:
    async with serve() as (client, _):
        tools = {tool["name"]: tool for tool in (await client.get("/v1/tools")).json()}

    assert tools["transform_image"]["available"]
    assert tools["transform_image"]["args"] == ["image", "rotate", "flip", "width", "height", "scale", "aspect"]
    assert all(tool["available"] or tool["needs"] for tool in tools.values())

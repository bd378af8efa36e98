"""What is asked of a server that it cannot or will not do: each time one clear answer, and it goes on."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers import free_port

WAIT = '[rewards.wait]\nuse = "wait"'
MATH = '[rewards.math]\nuse = "boxed-math"'


def rows(*completions):
    return {"rollouts": [{"id": str(n), "prompt": "?", "completion": text} for n, text in enumerate(completions)]}


def complaint(tmp_path, *arguments, toml=MATH, **environment):
    """What `guerdon serve` says before it ends with code 2."""
    (tmp_path / "mix.toml").write_text(toml)
    ended = subprocess.run(
        [sys.executable, "-m", "guerdon", "serve", "mix.toml", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_port_that_is_taken_is_said_to_be(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = complaint(tmp_path, "--port", str(port))
    assert f"127.0.0.1:{port}: is taken by another program; choose another one, as in --port 8001" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_others_are_not_let_in_without_a_token(tmp_path, host):
    said = complaint(tmp_path, "--host", host, "--port", str(free_port()))
    assert "there is no token" in said
    assert "GUERDON_TOKEN" in said


def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(tmp_path):
    said = complaint(tmp_path, "--port", str(free_port()), GUERDON_TOKEN="a secret\twith blanks")
    assert "GUERDON_TOKEN: has characters that no HTTP header can carry" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--stage", "rl"], "stages.rl: there is no such stage"),
        (["--substitute", "nan"], "--substitute: is a finite number"),
        (["--end-token", ""], "--end-token: is empty"),
        (["--host", "no.such.host.invalid"], "--host no.such.host.invalid: is no address of this machine"),
        (["--host", "192.0.2.1"], "is no address of this machine"),
        (["--set", "rewards.math.use=bocksed-math"], "did you mean 'boxed-math'?"),
    ],
)
def test_mistakes_are_named_before_anything_starts(tmp_path, arguments, words):
    assert words in complaint(tmp_path, "--port", str(free_port()), *arguments)


def test_only_who_has_the_token_is_answered(serve):
    with serve(MATH, "--host", "0.0.0.0", GUERDON_TOKEN="s3cret") as server:
        server.url = f"http://127.0.0.1:{server.port}"
        for path in ("/health", "/score", "/get_reward", "/docs", "/nothing"):
            for wrong in ({}, {"Authorization": "Bearer s3cre"}, {"Authorization": "s3cret"},
                          {"Authorization": "Basic !"}, {"Authorization": "Bearer s3cret\u00e9"}):  # fmt: skip
                status, said, headers = server.ask(path, None if path != "/score" else rows("1"), **wrong)
                assert (status, headers["www-authenticate"]) == (401, "Bearer")
                assert "s3cret" not in json.dumps(said)
        assert server.ask("/score", rows("1"), Authorization="Bearer s3cret")[0] == 200
        assert server.end() == 0
        assert "s3cret" not in server.said


def test_every_bad_row_is_named_with_the_way_out(serve):
    bad = {"rollouts": [{"prompt": "?", "completion": "good"}, {"prompt": "?"}, 7, {"prompt": 1, "completion": ""},
                        {"prompt": "?", "completion": "", "truncated": "maybe"},
                        {"prompt": "?", "completion": "", "logprobs": [True]}]}  # fmt: skip
    with serve(MATH) as server:
        status, said, _ = server.ask("/score", bad)
        assert status == 422
        assert said["mistakes"] == 5
        assert [error["where"] for error in said["errors"]] == [f"rollouts[{number}]" for number in range(1, 6)]
        assert all(error["what"] and error["way_out"] for error in said["errors"])
        assert server.ask("/score", rows(*["1"] * 3))[0] == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (b"[]", "is no object, but a list"),
        (b"NaN", "is no object, but a number"),
        (b'{"rollouts": {}}', "is no list, but an object"),
        (b"{}", "is no list, but missing"),
        (b'{"rollouts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "levels deep"),
    ],
)
def test_what_is_no_request_is_refused_in_words(serve_once, body, words):
    for path in ("/score", "/get_reward"):
        status, said, _ = serve_once.ask(path, body)
        assert status == 422
        assert path == "/get_reward" or words in said["errors"][0]["what"]


@pytest.fixture(scope="module")
def serve_once(site):
    from servers import serving

    with serving(MATH, site=site) as server:
        yield server


def test_nan_and_lone_surrogates_are_only_odd_values(serve_once):
    body = (b'{"rollouts": [{"prompt": "\\ud83d", "completion": "\\ude00 \\\\boxed{1}", "ground_truth": NaN},'
            b'{"prompt": "\xed\xa0\xbd", "completion": "\xed\xb8\x80 \\\\boxed{1}",'
            b' "ground_truth": "1"}]}')  # fmt: skip
    status, said, _ = serve_once.ask("/score", body)
    assert status == 200
    assert [one["outcome"] for one in said["scores"]] == ["bad_ground_truth", "scored"]


def test_no_rollouts_are_no_mistake(serve_once):
    assert serve_once.ask("/score", rows())[:2] == (200, {"scores": []})


def test_a_body_that_says_to_be_too_large_is_refused_before_it_comes(serve_once):
    connection = http.client.HTTPConnection("127.0.0.1", serve_once.port, timeout=60)
    connection.putrequest("POST", "/score")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert json.loads(answer.read())["errors"][0]["what"] == "is larger than 64 MiB"
    connection.close()


def test_a_body_that_turns_out_to_be_too_large_is_not_swallowed(serve_once):
    connection = http.client.HTTPConnection("127.0.0.1", serve_once.port, timeout=60)
    connection.putrequest("POST", "/score")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    sent = 0

    def send_without_end():
        nonlocal sent
        while sent < 1 << 30:
            connection.send(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
            sent += 1 << 20

    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        send_without_end()
    assert sent >= 63 << 20
    connection.close()
    assert serve_once.ask("/score", rows("1"))[0] == 200


def test_what_is_not_there_or_not_posted_is_refused(serve_once):
    assert serve_once.ask("/scores", rows("1"))[0] == 404
    assert serve_once.ask("/score")[0] == 405


def test_a_full_queue_says_when_to_come_back(serve):
    with serve(WAIT, "--queue", "2") as server, ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.ask, "/score", rows("4", "4"))
        server.until_inside(2)
        status, said, headers = server.ask("/score", rows("0"))
        assert (status, said["errors"][0]["kind"]) == (503, "Full")
        assert int(headers["retry-after"]) >= 1
        assert said["retry_after"] > 0
        assert waiting.result()[0] == 200
        assert server.ask("/score", rows("0", "0"))[0] == 200
        status, said, _ = server.ask("/score", rows("0", "0", "0"))
        assert status == 413
        assert "--queue" in said["errors"][0]["way_out"]


def test_openrlhfs_client_waits_for_room_because_it_would_give_up(serve):
    asked = {"query": ["0"], "prompts": [""], "labels": [""]}
    with serve(WAIT, "--queue", "1") as server, ThreadPoolExecutor() as pool:
        pool.submit(server.ask, "/score", rows("4"))
        server.until_inside(1)
        answers = list(pool.map(lambda _: server.ask("/get_reward", asked), range(5)))
    assert [status for status, *_ in answers] == [200] * 5


def test_a_reward_that_compares_is_refused_to_openrlhfs_client_and_to_rows_without_a_group(serve):
    with serve('[rewards.rank]\nuse = "rank"') as server:
        status, said, _ = server.ask("/get_reward", {"query": ["0"], "prompts": [""], "labels": [""]})
        assert (status, "compares" in said["errors"][0]["what"]) == (422, True)
        status, said, _ = server.ask("/score", rows("1"))
        assert (status, said["errors"][0]["where"]) == (422, "rollouts[0]")


def test_a_broken_reward_is_an_error_that_stays_visible(serve):
    with serve('[rewards.broken]\nuse = "broken"') as server:
        status, said, _ = server.ask("/score", rows(*map(str, range(30))))
        assert (status, said["errors"][0]["kind"]) == (500, "RewardBroken")
        assert "no such thing as a score" in said["errors"][0]["what"]
        health = server.health()
        assert health["status"] == "broken"
        assert "no such thing as a score" in health["broken"]
        assert "no such thing as a score" in server.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_at_the_end_what_is_there_is_finished_and_nothing_more_is_taken(serve, number):
    with serve(f"{WAIT}\n{MATH}\nweight = 0") as server, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(server.ask, "/score", rows("5", "4")) for _ in range(4)]
        server.until_inside(8)
        while not server.workers():
            time.sleep(0.01)
        below = [*server.launchers(), *server.workers()]
        server.process.send_signal(number)
        server.until(lambda health: health["draining"])
        for path, body in (("/score", rows("0")), ("/get_reward", {"query": ["0"], "prompts": [""], "labels": [""]})):
            status, said, headers = server.ask(path, body)
            assert (status, said["errors"][0]["kind"]) == (503, "Draining")
            assert int(headers["retry-after"]) >= 1
        answers = [one.result() for one in waiting]
        assert server.process.wait(60) == 0
    assert [[one["score"] for one in said["scores"]] for _, said, _ in answers] == [[5.0, 4.0]] * 4
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]


def test_a_second_signal_gives_up_what_is_there(serve):
    with serve(WAIT) as server, ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.ask, "/score", rows("500"))
        server.until_inside(1)
        server.process.terminate()
        server.until(lambda health: health["draining"])
        server.process.terminate()
        assert server.process.wait(30) == 1
        assert waiting.result()[0] == 503


def test_a_client_that_goes_away_leaves_no_trace_in_the_queue(serve):
    with serve(WAIT) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/score", json.dumps(rows("4")))
        server.until_inside(1)
        connection.close()
        server.until_inside(0)
        assert server.end() == 0


def test_how_it_goes_is_said(serve):
    with serve(MATH, "--workers", "1") as server:
        for _ in range(3):
            server.ask("/score", rows(r"\boxed{1}"))
        assert "rewards: math; 1 worker, up to 4,096 rollouts at a time" in server.said
        assert server.end() == 0
        assert "3 rollouts judged, 3 without a score" in server.said


def test_threads_of_clients_do_not_mix_up_answers(serve):
    with serve('[rewards.length]\nuse = "length"') as server:
        wrong = []

        def client(number):
            for size in range(number, number + 20):
                score = server.ask("/score", rows("x" * size))[1]["scores"][0]["score"]
                if score != size:
                    wrong.append((size, score))

        threads = [threading.Thread(target=client, args=(100 * number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert server.health()["scored"] == 320

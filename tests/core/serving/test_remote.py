"""Servers come and go, and are full or wrong: their client finds those that can judge, or says why nobody can."""

import asyncio
import logging
import os
import signal
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import free_port

from guerdon import GuerdonError, Mixture, Outcome, RewardBroken, Rollout, Task, Term
from guerdon.remote import RemoteMixture, fingerprint
from guerdon.runfile import parse
from guerdon_format import ThinkTags
from guerdon_math import BoxedMath

MATH = '[rewards.math]\nuse = "boxed-math"'
WAIT = '[rewards.wait]\nuse = "wait"'
LENGTH = '[rewards.length]\nuse = "length"'


def rollouts(*completions):
    return [Rollout(Task(str(number), "?"), text) for number, text in enumerate(completions)]


def expected(toml):
    return fingerprint(parse(tomllib.loads(toml), Path("mix.toml"), toml).terms)


def values(totals):
    return [total.value for total in totals]


def test_no_server_at_the_start_is_an_error_that_names_each(serve):
    urls = [f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"]
    with pytest.raises(GuerdonError, match="down at start") as error:
        RemoteMixture(urls).open()
    assert all(url in str(error.value) for url in urls)
    assert "guerdon serve FILE" in error.value.way_out


def test_one_of_several_is_enough_and_the_others_are_named(serve, caplog):
    dead = f"http://127.0.0.1:{free_port()}"
    with serve(LENGTH) as server, RemoteMixture([dead, server.url]) as mixture:
        assert values(mixture.submit(rollouts("one", "four")).result()) == [3.0, 4.0]
    assert [record.message for record in caplog.records if dead in record.message]


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://host", "http://", "http://h:99999", "http://h/?a=b"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(GuerdonError, match="is no address"):
        RemoteMixture([url])


def test_a_secret_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(GuerdonError, match="GUERDON_TOKEN") as error:
        RemoteMixture(["http://me:hunter2@host:8000"])
    assert "hunter2" not in str(error.value)


def test_a_token_is_needed_and_enough(serve, monkeypatch, caplog):
    with serve(LENGTH, GUERDON_TOKEN="right") as server:
        with pytest.raises(GuerdonError, match="wants a token; set GUERDON_TOKEN"):
            RemoteMixture([server.url]).open()
        monkeypatch.setenv("GUERDON_TOKEN", "wrong")
        with pytest.raises(GuerdonError, match="takes another token than that of GUERDON_TOKEN") as error:
            RemoteMixture([server.url]).open()
        assert "wrong" not in str(error.value)
        monkeypatch.setenv("GUERDON_TOKEN", "right")
        with RemoteMixture([server.url]) as mixture:
            assert values(mixture.submit(rollouts("one")).result()) == [3.0]
    assert "right" not in caplog.text


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        (MATH + '\nweight = 2\n[rewards.format]\nuse = "think-tags"', "the reward 'math'"),
        (MATH + '\n[rewards.format]\nuse = "think-tags"\nanswer_tags = false', "the reward 'format'"),
        (MATH, "the reward 'format'"),
        ('[rewards.format]\nuse = "think-tags"\n' + MATH, "the order of the rewards"),
        (
            MATH + '\n[rewards.format]\nuse = "think-tags"\n[rewards.more]\nuse = "repetition"',
            "it has math, format, and 3 rewards are meant",
        ),
    ],
)
def test_other_rewards_than_are_meant_are_named(two_rewards, ours, words):
    with pytest.raises(GuerdonError, match="serves other rewards than are meant here") as error:
        RemoteMixture([two_rewards.url], expect=expected(ours)).open()
    assert words in str(error.value)


@pytest.fixture(scope="module")
def two_rewards(site):
    from servers import serving

    with serving(MATH + '\n[rewards.format]\nuse = "think-tags"', site=site) as server:
        yield server


def test_a_fingerprint_is_the_same_however_the_terms_were_written():
    toml = MATH + '\nweight = 2\ndomains = ["math"]\n[rewards.format]\nuse = "think-tags"'
    terms = [Term("math", BoxedMath(), 2, domains=("math",)), Term("format", ThinkTags())]
    assert expected(toml) == fingerprint(terms) == fingerprint(Mixture(terms).terms)
    assert expected(toml) != fingerprint(terms[:1])


def test_servers_that_differ_from_each_other_are_refused(serve):
    with serve(LENGTH) as one, serve(LENGTH + "\nweight = 2") as other:
        mixture = RemoteMixture([one.url, other.url])
        with pytest.raises(GuerdonError, match="serve other rewards: the reward 'length'"):
            mixture.open()


def test_something_else_at_the_address_is_no_reward_server(tmp_path):
    import http.server

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with pytest.raises(GuerdonError, match="is no server of `guerdon serve`"):
            RemoteMixture([f"http://127.0.0.1:{other.server_port}"]).open()
        other.shutdown()


def test_a_killed_servers_work_is_done_by_another(serve):
    with serve(WAIT) as one, serve(WAIT) as other, RemoteMixture([one.url, other.url]) as mixture:
        futures = [mixture.submit(rollouts("4", "0.5")) for _ in range(4) if not time.sleep(0.02)]
        one.until(lambda health: health["queue"]["inside"] > 0)
        one.kill()
        assert [values(future.result(60)) for future in futures] == [[4.0, 0.5]] * 4


def test_a_server_that_comes_back_is_used_again(serve, caplog):
    caplog.set_level(logging.WARNING, "guerdon")
    port = free_port()
    with ExitStack() as stack:
        server = stack.enter_context(serve(LENGTH, port=port))
        mixture = stack.enter_context(RemoteMixture([server.url]))
        assert values(mixture.submit(rollouts("x")).result()) == [1.0]
        server.kill()
        future = mixture.submit(rollouts("xx"))
        time.sleep(1)
        assert not future.done()
        stack.enter_context(serve(LENGTH, port=port))
        assert values(future.result(60)) == [2.0]
    said = [record.message for record in caplog.records]
    assert any("left out until it answers well" in one for one in said)
    assert any("is there again" in one for one in said)


def test_a_server_that_comes_back_with_other_rewards_scores_nothing(serve):
    port = free_port()
    with ExitStack() as stack:
        server = stack.enter_context(serve(LENGTH, port=port))
        mixture = stack.enter_context(RemoteMixture([server.url]))
        mixture.submit(rollouts("x")).result()
        server.kill()
        stack.enter_context(serve(LENGTH + "\nweight = 3", port=port))
        with pytest.raises(GuerdonError, match="serves other rewards than are meant here: the reward 'length'"):
            mixture.submit(rollouts("xx")).result(60)


def test_a_server_that_ends_finishes_what_it_has_and_gets_nothing_more(serve):
    with serve(WAIT) as one, serve(WAIT) as other, RemoteMixture([one.url, other.url]) as mixture:
        first = [mixture.submit(rollouts("5")) for _ in range(4) if not time.sleep(0.02)]
        for server in (one, other):
            server.until(lambda health: health["queue"]["inside"] > 0)
        one.process.terminate()
        one.until(lambda health: health["draining"])
        more = [mixture.submit(rollouts("0.1")) for _ in range(10) if not time.sleep(0.02)]
        assert [values(future.result(60)) for future in more] == [[0.1]] * 10
        assert [values(future.result(60)) for future in first] == [[5.0]] * 4
        assert one.process.wait(60) == 0
        # What it had was not judged a second time.
        assert other.health()["scored"] + 2 == 14


def test_when_nobody_was_there_for_long_enough_rollouts_have_no_score(serve):
    with (
        serve(MATH + '\n[rewards.format]\nuse = "think-tags"') as server,
        RemoteMixture([server.url], patience=1.5) as mixture,
    ):
        mixture.submit(rollouts("x")).result()
        server.kill()
        begun = time.monotonic()
        totals = mixture.submit(rollouts("x", "y")).result(60)
        assert time.monotonic() - begun > 1.4
        for total in totals:
            assert (total.value, total.outcome) == (None, Outcome.UNAVAILABLE)
            assert {name: term.score.outcome for name, term in total.terms.items()} == {
                "math": Outcome.UNAVAILABLE,
                "format": Outcome.UNAVAILABLE,
            }
            assert "no reward server has been there for 1.5 s" in total.reason
            assert server.url in total.reason
        # Nobody is waited for anew.
        begun = time.monotonic()
        mixture.submit(rollouts("x")).result(60)
        assert time.monotonic() - begun < 1.4


def test_a_silent_server_is_found_out(serve, monkeypatch):
    """It takes connections, and never says a word again: its machine hangs."""
    with serve(WAIT) as one, serve(WAIT) as other, RemoteMixture([one.url, other.url]) as mixture:
        futures = [mixture.submit(rollouts("4")) for _ in range(4) if not time.sleep(0.02)]
        for server in (one, other):
            server.until(lambda health: health["queue"]["inside"] > 0)
        one.process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr("guerdon.remote.endpoint.HEALTH_SECONDS", 1.0)
        try:
            assert [values(future.result(60)) for future in futures] == [[4.0]] * 4
        finally:
            one.process.kill()  # it would not hear of its end


def test_a_slow_judging_is_waited_for(serve, monkeypatch):
    monkeypatch.setattr("guerdon.remote.endpoint.HEALTH_SECONDS", 2.0)
    with serve(WAIT) as server, RemoteMixture([server.url], patience=0.5) as mixture:
        assert values(mixture.submit(rollouts("4")).result(60)) == [4.0]
        assert server.health()["scored"] == 1


def test_a_full_server_is_given_time(serve):
    with serve(WAIT, "--queue", "4") as server, ExitStack() as stack:
        # Two clients do not know of each other.
        mixtures = [stack.enter_context(RemoteMixture([server.url], patience=0.1)) for _ in range(2)]
        futures = [mixture.submit(rollouts("0.05", "0.1")) for _ in range(10) for mixture in mixtures]
        assert [values(future.result(60)) for future in futures] == [[0.05, 0.1]] * 20


def test_more_than_a_server_takes_at_once_comes_in_parts(serve):
    with serve(LENGTH, "--queue", "3") as server, RemoteMixture([server.url]) as mixture:
        assert values(mixture.submit(rollouts(*("x" * n for n in range(100)))).result(60)) == list(range(100))


def test_a_rollout_that_is_refused_fails_only_those_it_came_with(serve):
    with serve(LENGTH) as server, RemoteMixture([server.url]) as mixture:
        good = [mixture.submit(rollouts("x" * n)) for n in range(5)]
        bad = mixture.submit([Rollout(Task("1", [{"role": "user"}]), "")])
        good += [mixture.submit(rollouts("x" * n)) for n in range(5)]
        with pytest.raises(GuerdonError, match="prompt is"):
            bad.result(60)
        assert [values(one.result(60)) for one in good] == [[n] for n in (0, 1, 2, 3, 4)] * 2


def test_what_no_json_can_hold_is_said_at_once(two_rewards):
    with RemoteMixture([two_rewards.url]) as mixture:
        with pytest.raises(GuerdonError, match="number 0, of the task '1', cannot be sent"):
            mixture.submit([Rollout(Task("1", "", {1, 2}), "")])
        with pytest.raises(GuerdonError, match="is no Rollout"):
            mixture.submit(["x"])
        with pytest.raises(GuerdonError, match="1 for 2 rollouts"):
            mixture.submit(rollouts("x", "y"), ["one"])


def test_a_broken_reward_is_raised_here(serve):
    with serve('[rewards.broken]\nuse = "broken"') as server, RemoteMixture([server.url]) as mixture:
        future = mixture.submit(rollouts(*map(str, range(30))))
        with pytest.raises(RewardBroken, match="no such thing as a score"):
            future.result(60)


def test_what_is_submitted_at_once_travels_together(two_rewards):
    before = two_rewards.health()["scored"]
    with RemoteMixture([two_rewards.url]) as mixture:

        async def all_at_once():
            return await asyncio.gather(*(mixture.score(rollouts(f"\\boxed{{{n}}}")) for n in range(200)))

        assert len(asyncio.run(all_at_once())) == 200
    assert two_rewards.health()["scored"] - before == 200


def test_it_is_used_like_a_mixture(serve):
    with serve('[rewards.rank]\nuse = "rank"') as server:
        mixture = RemoteMixture([server.url])
        for use in (lambda: mixture.submit([]), lambda: mixture.needs_groups):
            with pytest.raises(GuerdonError, match="are not open"):
                use()
        with mixture:
            with pytest.raises(GuerdonError, match="are open already"):
                mixture.open()
            assert mixture.needs_groups
            with pytest.raises(GuerdonError, match="say which rollouts belong together"):
                mixture.submit(rollouts("x"))
            assert mixture.submit([], []).result(10) == []

            async def elsewhere():
                return values(await mixture.score(rollouts("x", "xx"), ["a", "a"]))

            with ThreadPoolExecutor() as pool:
                assert pool.submit(asyncio.run, elsewhere()).result(60) == [0.0, 1.0]
        mixture.close()
        with mixture:  # and again
            assert values(mixture.submit(rollouts("x"), ["a"]).result(60)) == [0.0]
    asyncio.run(_as_asynchronous_context(mixture.urls))


async def _as_asynchronous_context(urls):
    with pytest.raises(GuerdonError, match="down at start"):
        async with RemoteMixture(urls):
            pass


def test_closing_gives_up_what_is_judged(serve):
    with serve(WAIT) as server:
        mixture = RemoteMixture([server.url]).open()
        future = mixture.submit(rollouts("100"))
        server.until_inside(1)
        late = mixture.submit(rollouts("100"))
        mixture.close()
        for one in (future, late):
            with pytest.raises(GuerdonError, match="were closed while they judged"):
                one.result(10)


def test_a_forked_copy_cannot_be_used(two_rewards):
    with RemoteMixture([two_rewards.url]) as mixture:
        child = os.fork()
        if not child:
            try:
                mixture.submit(rollouts("x"))
            except GuerdonError as error:
                os._exit(7 if "opened by another process" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert len(mixture.submit(rollouts("x")).result(60)) == 1

"""The gateway under the vendor's name: https with a certificate of our own, on a socket that is handed to it.

Clients are requests and aiohttp as scripts use them, told to trust the authority by the usual variables alone.
"""

import asyncio
import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from scan_pipeline.errors import ScanPipelineError
from scan_pipeline.gateway.server import HOST, Gateway, running
from scan_pipeline.gateway.tls import PUBLIC, SECRET, Authority
from scan_pipeline.gateway.view import View
from scan_pipeline_tests.desk import FRI, MON, WEEK, Desk, bar
from scan_pipeline_tests.gateway.serving import BEARER, GROUPED

VENDOR = "https://api.polygon.io"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.at(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    desk.csv([bar(symbol, day) for day in WEEK for symbol in ("AAA", "BBB", "CCC")])
    desk.ingest()
    return desk


@contextmanager
def secured(desk: Desk, authority: Authority, **options: Any) -> Iterator[tuple[Gateway, int]]:
    """A gateway that speaks TLS, and its port."""
    gateway = Gateway(desk.pipeline.store, desk.pipeline.calendar, **options)
    listener = socket.create_server((HOST, 0))
    port: int = listener.getsockname()[1]
    with running(gateway, listener, authority.server_context()):
        yield gateway, port


@pytest.fixture
def vendors_names(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """`vendors_names[:] = [port]`: the vendor's names lead to that port of this machine."""
    ports: list[int] = []
    ask = socket.getaddrinfo

    def answer(host: Any, port: Any, *arguments: Any, **named: Any) -> Any:
        if host in ("api.polygon.io", "api.massive.com"):
            return ask(HOST, ports[0], *arguments, **named)
        return ask(host, port, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return ports


# Under the vendor's name


@pytest.mark.parametrize("name", ["https://api.polygon.io", "https://api.massive.com"])
def test_requests_follows_the_pages_under_the_vendors_own_name(
    stocked: Desk, authority: Authority, vendors_names: list[int], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_file))
    with secured(stocked, authority) as (_, port), requests.Session() as session:
        vendors_names[:] = [port]
        url, found = f"{name}/v2/aggs/ticker/AAA/range/1/day/{MON}/{FRI}?limit=2&adjusted=true", []
        while url:
            answer = session.get(url, params={"apiKey": "any"}, timeout=20).json()
            found += answer["results"]
            url = answer.get("next_url", "")
            assert not url or url.startswith(f"{name}/v2/aggs/")
        assert len(found) == 5


def test_aiohttp_reads_days_at_once_over_one_session(
    stocked: Desk, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            return [ResolveResult(hostname=host, host=HOST, port=at, family=socket.AF_INET, proto=0, flags=0)]

        async def close(self) -> None:
            pass

    async def read() -> list[int]:
        context = ssl.create_default_context()  # as aiohttp's own: it reads SSL_CERT_FILE
        connector = aiohttp.TCPConnector(resolver=Here(), ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one(day: str, adjusted: str) -> int:
                async with session.get(f"{VENDOR}{GROUPED}/{day}?adjusted={adjusted}&apiKey=any") as response:
                    assert response.status == 200
                    return len((await response.json())["results"])

            return await asyncio.gather(*(one(day, word) for day in WEEK for word in ("true", "false")))

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with secured(stocked, authority, view=View(date.fromisoformat(FRI))) as (gateway, at):
        assert asyncio.run(read()) == [3] * 10
    assert gateway.counts.kinds == {"grouped": 10}


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "api.polygon.io", "files.polygon.io", "api.massive.com"])
def test_the_certificate_is_good_for_the_vendors_names_and_this_machine(
    stocked: Desk, authority: Authority, name: str
) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    with (
        secured(stocked, authority) as (_, port),
        socket.create_connection((HOST, port), 20) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        assert tls.version() in ("TLSv1.2", "TLSv1.3")


def test_the_certificate_is_good_for_nobody_else(stocked: Desk, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    with (
        secured(stocked, authority) as (_, port),
        socket.create_connection((HOST, port), 20) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname="example.com")


def test_who_was_not_told_to_trust_it_does_not(stocked: Desk, authority: Authority, vendors_names: list[int]) -> None:
    with secured(stocked, authority) as (_, port):
        vendors_names[:] = [port]
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{VENDOR}/v1/marketstatus/now?apiKey=any", timeout=20)


def test_answers_for_scripts_are_not_compressed_where_that_does_not_pay(stocked: Desk, authority: Authority) -> None:
    sizes = {}
    for compresses in (True, False):
        with secured(stocked, authority, compresses=compresses) as (_, port):
            answer = requests.get(
                f"https://localhost:{port}{GROUPED}/{MON}", headers=BEARER, verify=str(authority.ca_file), timeout=20
            )
            assert answer.headers.get("Content-Encoding") == ("gzip" if compresses else None)
            sizes[compresses] = answer.json()["resultsCount"]
    assert sizes == {True: 3, False: 3}


# Starting and ending


def test_it_ends_within_moments_although_clients_keep_their_connections(stocked: Desk, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    kept = []
    with secured(stocked, authority) as (_, port):
        for _ in range(5):
            connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
            connection.request("GET", f"{GROUPED}/{MON}", headers=BEARER)
            assert json.loads(connection.getresponse().read())["resultsCount"] == 3
            kept.append(connection)
        silent = socket.create_connection((HOST, port), 20)  # … and one never says a word
        before = threading.active_count()
        began = time.monotonic()
    took = time.monotonic() - began
    for connection in kept:
        connection.close()
    silent.close()
    assert took < 10  # aiohttp's own patience is a minute
    assert "gateway" not in {thread.name for thread in threading.enumerate()}
    assert threading.active_count() <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), 2)


def test_it_ends_although_an_answer_is_being_waited_for(stocked: Desk, authority: Authority) -> None:
    """Another process holds the database while a client waits."""
    path = stocked.pipeline.store.path
    holds = f"import duckdb,sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline()
        with secured(stocked, authority) as (gateway, port):
            context = ssl.create_default_context(cafile=str(authority.ca_file))
            connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
            connection.request("GET", f"{GROUPED}/{MON}", headers=BEARER)
            while not gateway.counts.arrived:
                time.sleep(0.005)
            began = time.monotonic()
        assert time.monotonic() - began < stocked.pipeline.store.wait_seconds / 2
        connection.close()
        holder.communicate()


def test_what_keeps_it_from_starting_is_raised_where_it_was_started(stocked: Desk) -> None:
    class Broken:
        def make_app(self) -> web.Application:
            async def fail(_: web.Application) -> None:
                raise ScanPipelineError("There is no key.")

            app = web.Application()
            app.on_startup.append(fail)
            return app

    listener = socket.create_server((HOST, 0))
    with pytest.raises(ScanPipelineError, match="There is no key"), running(Broken(), listener, None):
        pytest.fail("It has not started.")
    assert listener.fileno() == -1
    assert "gateway" not in {thread.name for thread in threading.enumerate()}


def test_what_goes_wrong_while_it_serves_ends_it_all_the_same(stocked: Desk) -> None:
    gateway = Gateway(stocked.pipeline.store, stocked.pipeline.calendar)
    listener = socket.create_server((HOST, 0))
    with pytest.raises(KeyError), running(gateway, listener, None):
        raise KeyError("of the caller")
    assert "gateway" not in {thread.name for thread in threading.enumerate()}


def test_it_serves_on_any_kind_of_listening_socket(stocked: Desk, tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "gateway"))
    listener.listen()

    async def ask() -> tuple[int, str]:
        connector = aiohttp.UnixConnector(str(tmp_path / "gateway"))
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"http://api.polygon.io/v2/aggs/ticker/AAA/range/1/day/{MON}/{FRI}?limit=1&apiKey=any"
            async with session.get(url) as response:
                return response.status, (await response.json())["next_url"]

    with running(Gateway(stocked.pipeline.store, stocked.pipeline.calendar), listener, None):
        status, following = asyncio.run(ask())
    assert status == 200
    assert following.startswith("http://api.polygon.io/v2/")


# The authority


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_but_its_owner_can_read_the_authority(tmp_path: Path) -> None:
    authority = Authority.at(tmp_path / "ca")
    assert mode(tmp_path / "ca") == mode(authority.ca_file.parent) == 0o700
    assert mode(authority.ca_file) == mode(authority.secret_file) == 0o600
    assert b"PRIVATE" not in authority.ca_file.read_bytes()


def test_an_authority_is_made_once(tmp_path: Path) -> None:
    first = Authority.at(tmp_path)
    content = first.ca_file.read_bytes()
    assert Authority.at(tmp_path) == first
    assert first.ca_file.read_bytes() == content


def test_processes_that_make_one_at_once_agree(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from scan_pipeline.gateway.tls import Authority; sys.stdin.read(); "
        "print(Authority.at(pathlib.Path(sys.argv[1])).ca_file.read_text())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "ca")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ},
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in started:
        assert process.stdin
        process.stdin.close()
        process.stdin = None
    said = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert said == {Authority.at(tmp_path / "ca").ca_file.read_text() + "\n"}
    assert not list((tmp_path / "ca").glob(".new-*"))


@pytest.mark.parametrize("spoilt", [PUBLIC, SECRET])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nhalf"])
def test_an_authority_that_cannot_be_read_is_made_anew(tmp_path: Path, spoilt: str, content: bytes | None) -> None:
    first = Authority.at(tmp_path)
    path = first.ca_file.with_name(spoilt)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    again = Authority.at(tmp_path)
    assert again.ca_file != first.ca_file
    again.server_context()


def test_a_key_of_another_authority_is_noticed(tmp_path: Path) -> None:
    first = Authority.at(tmp_path)
    first.secret_file.write_bytes(trustme.CA().private_key_pem.bytes())
    assert Authority.at(tmp_path).ca_file != first.ca_file


@pytest.mark.parametrize(("days", "stays"), [(2, False), (300, True)])
def test_an_authority_about_to_expire_is_made_anew(tmp_path: Path, days: int, stays: bool) -> None:
    first = Authority.at(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=300)).not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    first.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    first.secret_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    assert (Authority.at(tmp_path) == first) is stays


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ScanPipelineError, match="file/ca"):
        Authority.at(tmp_path / "file" / "ca")

"""PyPI's siwe writes the messages, and eth-account signs them: over GraphQL with a bearer token, then over plain HTTP
with cookies."""

import json
import os
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

from eth_account import Account
from eth_account.messages import encode_defunct
from siwe import ISO8601Datetime, SiweMessage

GATEWAY = os.environ.get("VITRINE_GATEWAY_URL", "http://127.0.0.1:8081")
PUBLIC = os.environ.get("VITRINE_PUBLIC_URL", GATEWAY)
CHAIN = 31337
SESSION = "__typename ... on AuthSession { accessToken refreshToken session { id account } } ... on Problem { code }"

wallet = Account.create()
# Nothing on the way may be asked of a proxy that the machine happens to have.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def send(method, path, body=None, headers=None):
    """The status, the headers and what came back."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(GATEWAY + path, data=data, method=method, headers=headers or {})
    request.add_header("user-agent", "python-siwe/4.4.0")
    if data is not None:
        request.add_header("content-type", "application/json")
    try:
        answer = opener.open(request, timeout=30)
    except urllib.error.HTTPError as refused:
        answer = refused
    text = answer.read().decode()
    is_json = "json" in (answer.headers.get("content-type") or "")
    return answer.status, answer.headers, json.loads(text) if is_json else text


def ask(query, variables=None, token=None):
    """The data of an answer of the GraphQL door."""
    headers = {"accept": "application/graphql-response+json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    _, _, body = send("POST", "/graphql", {"query": query, "variables": variables or {}}, headers)
    assert "errors" not in body, body
    return body["data"]


def sign(asked, **more):
    """A message around the nonce, and its signature."""
    message = SiweMessage(
        domain=asked["domain"],
        address=wallet.address,
        uri=asked["uri"],
        version="1",
        chain_id=CHAIN,
        nonce=asked["nonce"],
        issued_at=ISO8601Datetime.from_datetime(datetime.now(tz=timezone.utc)),
        **more,
    ).prepare_message()
    signature = wallet.sign_message(encode_defunct(text=message)).signature
    return {"message": message, "signature": "0x" + bytes(signature).hex()}


def over_graphql(**more):
    """A whole stay with a bearer token."""
    asked = ask("mutation { issueSiweNonce { nonce domain uri statement } }")["issueSiweNonce"]
    signed = sign(asked, **more)
    verify = f"mutation ($input: VerifySiweInput!) {{ opened: verifySiwe(input: $input) {{ {SESSION} }} }}"
    opened = ask(verify, {"input": {**signed, "delivery": "BEARER"}})["opened"]
    assert opened["__typename"] == "AuthSession", opened
    assert opened["session"]["account"] == f"eip155:{CHAIN}:{wallet.address}", opened
    again = ask(verify, {"input": {**signed, "delivery": "BEARER"}})["opened"]
    assert again.get("code") == "NONCE_USED", again
    token = opened["accessToken"]
    viewer = ask("{ viewer { session { id } } }", token=token)["viewer"]
    assert viewer["session"]["id"] == opened["session"]["id"], viewer
    refresh = f"mutation ($token: String) {{ opened: refreshSession(refreshToken: $token) {{ {SESSION} }} }}"
    refreshed = ask(refresh, {"token": opened["refreshToken"]})["opened"]
    assert refreshed["session"]["id"] == opened["session"]["id"], refreshed
    assert ask("mutation { signOut }", token=refreshed["accessToken"])["signOut"] is True


class Page:
    """A browser's page: it keeps the cookies and says where it came from."""

    def __init__(self):
        self.cookies = {}

    def go(self, method, path, body=None):
        headers = {"accept": "application/json", "origin": PUBLIC, "sec-fetch-site": "same-origin"}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        status, got, body = send(method, path, body, headers)
        for line in got.get_all("set-cookie") or []:
            pair, *attributes = line.split("; ")
            name, value = pair.split("=", 1)
            assert {"Path=/", "Secure", "HttpOnly"} <= set(attributes), line
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return status, body


def over_http():
    """The same with cookies, over the plain HTTP twins."""
    page = Page()
    status, asked = page.go("GET", "/auth/nonce")
    assert status == 200, asked
    status, opened = page.go("POST", "/auth/verify", sign(asked, statement=asked["statement"]))
    assert status == 200, opened
    status, session = page.go("GET", "/auth/session")
    assert status == 200 and wallet.address in json.dumps(session), session
    status, refreshed = page.go("POST", "/auth/refresh")
    assert status == 200, refreshed
    status, gone = page.go("POST", "/auth/logout")
    assert status in (200, 204), gone
    status, gone = page.go("GET", "/auth/session")
    assert status == 401, gone


over_graphql(statement="Sign in to Vitrine.")
print("ok   PyPI's siwe over GraphQL")
soon = datetime.now(tz=timezone.utc) + timedelta(minutes=10)
over_graphql(
    expiration_time=ISO8601Datetime.from_datetime(soon),
    request_id="request-1",
    resources=["https://example.com/one", "ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/"],
)
print("ok   PyPI's siwe with optional fields and no statement")
over_http()
print("ok   PyPI's siwe over plain HTTP with cookies")

"""A real OpenID Connect provider in its own process, on authlib's server side; `/mood` makes it lie.

    python openid_provider.py PORT REDIRECT [REDIRECT ...]

One client (`udp`, secret `client-secret`), one person, PKCE required, codes good once, keys by JWKS.
"""

import base64
import hmac
import json
import os
import secrets
import sys
import time
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import uvicorn
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Error, OAuth2Request, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PORT, REDIRECT, *MORE = int(sys.argv[1]), *sys.argv[2:]
ISSUER = f"http://127.0.0.1:{PORT}"
KEYS = [RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})]
STRANGER = RSAKey.generate_key(2048, {"kid": "one"})
CODES: dict[str, "Code"] = {}
SEEN: list[dict[str, str]] = []
MOOD: dict[str, object] = {}
PERSON = {"sub": "anna-17", "name": "Anna Amsel", "groups": ["it"]}


class Client(ClientMixin):
    client_id = "udp"
    client_metadata: ClassVar = {"id_token_signed_response_alg": "RS256"}

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return REDIRECT

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri in (REDIRECT, *MORE)

    def check_client_secret(self, client_secret):
        return client_secret == "client-secret"

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == "authorization_code"


@dataclass
class Code:
    code: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return None

    get_acr = get_amr = get_auth_time


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic"]

    def save_authorization_code(self, code, request):
        data = request.payload.data
        CODES[code] = Code(code, data["redirect_uri"], request.scope, data["nonce"], data["code_challenge"],
                           data["code_challenge_method"])  # fmt: skip

    def query_authorization_code(self, code, client):
        return CODES.get(code)

    def delete_authorization_code(self, authorization_code):
        del CODES[authorization_code.code]

    def authenticate_user(self, authorization_code):
        return PERSON


class Tokens(OpenIDCode):
    def exists_nonce(self, nonce, request):
        return any(one.nonce == nonce for one in CODES.values())

    def resolve_client_private_key(self, client):
        return KEYS[-1]

    def get_client_claims(self, client):
        return {"iss": ISSUER, "aud": ["udp"]}

    def get_encode_header(self, client):
        return {"alg": "RS256", "kid": KEYS[-1].kid}

    def generate_user_info(self, user, scope):
        return UserInfo(**user)

    def encode_id_token(self, token, request):
        if not MOOD:
            return super().encode_id_token(token, request)
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": ["udp"], "iat": now, "exp": now + 300,
                  "nonce": request.authorization_code.nonce, **PERSON, **MOOD.get("claims", {})}  # fmt: skip
        for name in MOOD.get("without", []):
            del claims[name]
        return forged(claims, str(MOOD.get("signed", "well")))


def forged(claims, signed):
    if signed == "not":
        return jwt.encode({"alg": "none"}, claims, None, ["none"])
    if signed == "by our public key":
        # The classic: the public key, known to everybody, taken for a shared secret.
        parts = [json.dumps(one).encode() for one in ({"alg": "HS256", "kid": KEYS[-1].kid}, claims)]
        text = b".".join(base64.urlsafe_b64encode(one).rstrip(b"=") for one in parts)
        mac = hmac.new(KEYS[-1].as_pem(private=False), text, "sha256").digest()
        return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()
    key = {"by a stranger": STRANGER}.get(signed, KEYS[-1])
    kid = "unknown" if signed == "with an unknown key" else KEYS[-1].kid
    return jwt.encode({"alg": "RS256", "kid": kid}, claims, key, ["RS256"])


class Server(AuthorizationServer):
    def query_client(self, client_id):
        return Client() if client_id == "udp" else None

    def save_token(self, token, request):
        """Nothing: nobody uses the access token."""

    def send_signal(self, name, *args, **kwargs):
        """Nobody listens."""

    def create_oauth2_request(self, request):
        return request

    def handle_response(self, status, body, headers):
        text = json.dumps(body) if isinstance(body, dict) else body
        return Response(text, status, dict(headers))


class Asked(OAuth2Request):
    def __init__(self, request, form):
        super().__init__(request.method, str(request.url), headers=request.headers)
        self._asked = dict(request.query_params), form
        self.payload = BasicOAuth2Payload({**self._asked[0], **form})

    @property
    def args(self):
        return self._asked[0]

    @property
    def form(self):
        return self._asked[1]


SERVER = Server()
SERVER.register_token_generator("default", BearerTokenGenerator(lambda *_a, **_k: secrets.token_hex(20)))
SERVER.register_grant(CodeGrant, [CodeChallenge(required=True), Tokens(require_nonce=True)])


async def metadata(_request: Request) -> Response:
    found = {
        "issuer": MOOD.get("issuer", ISSUER), "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token", "jwks_uri": f"{ISSUER}/keys",
        "end_session_endpoint": f"{ISSUER}/end", "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    }  # fmt: skip
    return JSONResponse(found)


async def authorize(request: Request) -> Response:
    SEEN.append(dict(request.query_params))
    if MOOD.get("denies"):
        query = urlencode({"error": "access_denied", "state": request.query_params["state"]})
        return Response(status_code=302, headers={"Location": f"{REDIRECT}?{query}"})
    asked = Asked(request, {})
    try:
        grant = SERVER.get_consent_grant(asked, PERSON)
    except OAuth2Error as error:
        return JSONResponse(dict(error.get_body()), 400)
    return SERVER.create_authorization_response(asked, PERSON, grant)


async def token(request: Request) -> Response:
    asked = Asked(request, dict(await request.form()))
    SEEN.append(dict(asked.form))
    return await run_in_threadpool(SERVER.create_token_response, asked)


async def keys(_request: Request) -> Response:
    return JSONResponse(KeySet(KEYS).as_dict(private=False))


async def mood(request: Request) -> Response:
    MOOD.clear()
    MOOD.update(await request.json())
    if MOOD.pop("rotate", False):
        KEYS.append(RSAKey.generate_key(2048, {"kid": f"key-{len(KEYS) + 1}", "use": "sig", "alg": "RS256"}))
    PERSON["groups"] = MOOD.pop("groups", ["it"])
    seen, SEEN[:] = list(SEEN), []
    return JSONResponse(seen)


if __name__ == "__main__":
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", metadata),
            Route("/authorize", authorize),
            Route("/token", token, methods=["POST"]),
            Route("/keys", keys),
            Route("/mood", mood, methods=["POST"]),
        ]
    )
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")

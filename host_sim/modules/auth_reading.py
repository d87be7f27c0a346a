# SPDX-License-Identifier: MIT
"""auth: its state, its names, and what is read from it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from host_sim.decision import NONE
from host_sim.errors import ArgumentError, FullError, RangeError, StateError, UnknownError, check
from host_sim.modules.auth_types import (
    ApiKeyEntry,
    AuthStats,
    AuthToken,
    Identity,
    Permission,
    Role,
    TokenType,
)
from host_sim.modules.base import text_bytes
from host_sim.modules.exposition import Exposed

NS_PER_S = 1_000_000_000
STATES = ("free", "issued", "revoked", "rotated")
NAMED_STATS = [name for name in AuthStats.__dataclass_fields__ if name.endswith("_count")]


class AuthReading(Exposed):
    """A state with a block of secrets beside it; alone, one issuer called `local` signs HS256."""

    _word = "auth"

    def __init__(
        self, *, key: bytes | None = None, entropy: bytes | None = None,
        services: Sequence[str] = (), tenants: Sequence[str] = (), **module: Any,
    ) -> None:
        self._key = os.urandom(32) if key is None else key
        self._entropy = os.urandom(32) if entropy is None else entropy
        self._services, self._tenants = list(services), list(tenants)
        super().__init__(**module)
        if self.kernel is not None:
            self._secrets = self.kernel.secrets

    # -- alone ----------------------------------------------------------------------------------
    def _init(self, seed: bytes) -> None:
        lib, ffi = self.lib, self.ffi
        if not 32 <= len(self._key) <= 128:
            raise RangeError(f"an HS256 key has 32 to 128 bytes, not {len(self._key)}")
        if len(self._tenants) > lib.RAY_TENANT_MAX or len(self._services) > lib.RAY_SERVICE_MAX:
            raise FullError("more tenants or services than the profile has room for")
        super()._init(seed)
        self._hidden = ffi.new("uint8_t[]", int(lib.ray_secrets_bytes()) + 64)
        start = int(ffi.cast("uintptr_t", self._hidden))
        self._secrets = ffi.cast("struct ray_secrets *", self._hidden + (-start % 64))
        lib.ray_secrets_init(self._secrets)
        check(lib.ray_secrets_seed(self._secrets, self._entropy, len(self._entropy)), "entropy")
        self._configure(seed)

    def _configure(self, seed: bytes) -> None:
        """One issuer with one key, by the same way a configuration takes."""
        lib, ffi = self.lib, self.ffi
        jwt, key = ffi.new("ray_jwt_spec *"), ffi.new("ray_jwt_key_spec *")
        for name, text in (("name", "local"), ("claim_user", "sub"), ("claim_tenant", "tenant"),
                           ("claim_role", "role")):
            self._set_name(getattr(jwt, name), text, name)
        ffi.memmove(jwt.issuer, b"raygate", 7)
        jwt.issuer_length, jwt.tenant, jwt.role, jwt.signs = 7, NONE, int(Role.GUEST), 1
        jwt.lifetime_max_ns = 366 * 86_400 * NS_PER_S
        key.alg, key.private_known = lib.RAY_JWT_HS256, 1
        secret = ffi.new("ray_secret_spec *")
        secret.length[0] = len(self._key)
        ffi.memmove(secret.at, self._key, len(self._key))
        section = ffi.new("uint64_t[]", (16 + ffi.sizeof("ray_secret_spec")) // 8)
        ffi.memmove(section, seed + bytes(ffi.buffer(secret)), 16 + ffi.sizeof("ray_secret_spec"))
        rows = ffi.new("ray_auth_rows *", {"jwts": jwt, "keys": key})
        counts = ffi.new("ray_config_counts *")
        counts.jwt_count = counts.jwt_key_count = 1
        counts.tenant_count = len(self._tenants)
        names = ffi.new("ray_name[]", max(1, len(self._tenants)))
        for place, tenant in enumerate(self._tenants):
            self._set_name(names[place], tenant, "a tenant")
        view = ffi.new("ray_names *", {"at": ffi.cast("uint8_t *", names),
                                       "stride": ffi.sizeof("ray_name"),
                                       "count": len(self._tenants)})
        report = ffi.new("ray_config_report *")
        at = ffi.cast("uint8_t *", section)
        check(lib.ray_auth_check(rows, counts, report), "the issuer")
        length = 16 + ffi.sizeof("ray_secret_spec")
        check(lib.ray_secrets_check(at, length, key, 1), "the key")
        lib.ray_auth_load(self._state, rows, view, counts, report)
        lib.ray_secrets_load(self._secrets, at, length)

    # -- names ----------------------------------------------------------------------------------
    def _service(self, name: str | None) -> int:
        if name is None:
            return NONE
        if self.kernel is not None:
            return self.kernel.service_id(name)
        if name not in self._services:
            if len(self._services) >= self.lib.RAY_SERVICE_MAX:
                raise FullError(f"no room for one more service, {name!r}")
            self._services.append(name)
        return self._services.index(name)

    def _tenant(self, name: str | None) -> int:
        if name is None:
            return NONE
        if self.kernel is not None:
            return self.kernel.tenant_id(name)
        if name not in self._tenants:
            raise UnknownError(f"no tenant is called {name!r}")
        return self._tenants.index(name)

    def _tenant_name(self, tenant: int) -> str | None:
        if tenant == NONE:
            return None
        if self.kernel is None:
            return self._tenants[tenant]
        spec = self.ffi.new("ray_tenant_spec *")
        check(self.lib.ray_tenant_read(self.kernel.ray, tenant, spec), f"tenant {tenant}")
        return self._text(spec.name)

    def _service_name(self, handle: int) -> str | None:
        if handle == NONE:
            return None
        if self.kernel is None:
            return self._services[handle]
        return self.kernel._by(self.lib.RAY_BY_SERVICE, handle)

    def _user(self, struct: Any, user: str | bytes) -> None:
        raw = text_bytes(user)
        if not 0 < len(raw) <= self.lib.RAY_AUTH_USER_BYTES:
            raise ArgumentError(f"a user has 1 to {self.lib.RAY_AUTH_USER_BYTES} bytes, not "
                                f"{len(raw)}")
        struct.user_length = len(raw)
        self.ffi.memmove(struct.user, raw, len(raw))

    def _wall(self) -> int:
        return self.wall_offset_ns

    # -- rows -----------------------------------------------------------------------------------
    def _view(self, raw: bytes) -> Any:
        self._kept = self.ffi.new("uint8_t[]", raw + b"\0")
        return self.ffi.new("ray_view *", {"at": self._kept, "length": len(raw)})[0]

    def _user_of(self, row: Any) -> str:
        return bytes(row.user[0 : row.user_length]).decode(errors="replace")

    def _token_of(self, row: Any, text: str = "") -> AuthToken:
        return AuthToken(
            bytes(row.id).hex(), self._user_of(row), Role(row.role),
            Permission(row.permissions), int(row.expires_ns), self._tenant_name(int(row.tenant)),
            int(row.issued_ns), bytes(row.family).hex(), STATES[row.state], text)

    def _identity(self, answer: Any) -> Identity:
        lib = self.lib
        challenge = self._written(
            lambda text: lib.ray_auth_challenge(self._state, answer, text), "challenge")
        return Identity(
            granted=bool(answer.granted),
            reason=self._word_of(lib.ray_reason_word(answer.reason)),
            http_status=int(answer.http_status),
            user_id=self._user_of(answer) if answer.known else "",
            tenant=self._tenant_name(int(answer.tenant)) if answer.known else None,
            role=Role(answer.role) if answer.known else Role.NONE,
            permissions=Permission(answer.permissions),
            scheme=TokenType(answer.scheme) if answer.scheme else None,
            retry_after_ns=int(answer.retry_after_ns),
            token_id=bytes(answer.token).hex() if answer.tokened else "",
            expiry=int(answer.expires_ns),
            cached=bool(answer.cached),
            challenge=challenge,
        )

    def _word_of(self, word: Any) -> str:
        return bytes(self.ffi.string(word)).decode()

    def _entry(self, handle: int, secret: str | None = None) -> ApiKeyEntry:
        row = self.ffi.new("ray_credential_spec *")
        check(self.lib.ray_auth_credential_read(self._state, handle, row), f"credential {handle}")
        name = self._text(row.name)
        return ApiKeyEntry(
            key=name, secret=secret, service_name=self._service_name(int(row.service)),
            permissions=Permission(row.permissions), role=Role(row.role),
            user=self._text(row.user) or name, tenant=self._tenant_name(int(row.tenant)),
            kind=TokenType(row.scheme), expires=int(row.expires_ns),
            disabled=bool(row.disabled), live_secrets=row.digest[0][0] + row.digest[1][0])

    def _handle(self, key: str, kind: TokenType) -> int:
        out, raw = self.ffi.new("uint32_t *"), key.encode()
        check(self.lib.ray_auth_credential_find(self._state, int(kind), raw, len(raw), out),
              f"no {kind.name} is called {key!r}")
        return int(out[0])

    # -- reading --------------------------------------------------------------------------------
    def list_api_keys(self) -> tuple[ApiKeyEntry, ...]:
        """Every credential in order of its place, without secrets."""
        handles = (self.lib.ray_auth_credential_at(self._state, place)
                   for place in range(self.lib.RAY_CREDENTIAL_MAX))
        return tuple(self._entry(int(handle)) for handle in handles if handle != NONE)

    def list_tokens(self, *, now_ns: int | None = None) -> tuple[AuthToken, ...]:
        """Tokens in the table that have not ended: issued, rotated and revoked ones."""
        row, out, now = self.ffi.new("ray_token *"), [], self._at(now_ns)
        for place in range(self.lib.RAY_TOKEN_MAX):
            if self.lib.ray_auth_token_read(self._state, now, self._wall(), place, row) == 0:
                out.append(self._token_of(row))
        return tuple(out)

    def get_token_count(self, *, now_ns: int | None = None) -> int:
        """Tokens in the table that have not ended, revoked ones included: the places taken."""
        return int(self.lib.ray_auth_token_count(self._state, self._at(now_ns), self._wall()))

    def get_user_roles(self, user_id: str, *, now_ns: int | None = None) -> tuple[Role, ...]:
        """The roles a user can act in now: of their credentials that are good and their live
        tokens, each once, the mightiest first."""
        now = self._at(now_ns) + self._wall()
        found = {entry.role for entry in self.list_api_keys()
                 if entry.user == user_id and not entry.disabled
                 and (entry.expires == 0 or now < entry.expires)}
        found |= {token.role for token in self.list_tokens(now_ns=now_ns)
                  if token.user_id == user_id and token.state == "issued"}
        return tuple(sorted(found))

    def stats(self) -> AuthStats:
        """Counters since the beginning."""
        out = self.ffi.new("ray_auth_stats *")
        self.lib.ray_auth_read(self._state, out)
        first = self.lib.RAY_REASON_AUTH_REQUIRED
        reasons = {self._word_of(self.lib.ray_reason_word(first + place)): int(count)
                   for place, count in enumerate(out.reason_count) if count}
        schemes = {kind.name.lower(): int(out.scheme_count[kind])
                   for kind in TokenType if out.scheme_count[kind]}
        counts = {name: int(getattr(out, name)) for name in NAMED_STATS}
        return AuthStats(**counts, reasons=reasons, schemes=schemes)

    def export(self, *, as_json: bool = False, now_ns: int | None = None) -> str:
        """Every credential as CSV or JSON: names and counts, no digests."""
        now = self._at(now_ns)
        return self._written(
            lambda text: self.lib.ray_auth_export(self._state, now, int(as_json), text), "export")

    def _expose(self, now: int, form: int, text: Any) -> int:
        write = self.lib.ray_auth_export_metrics
        return int(write(self._state, now, self._wall(), form, text))

    def secret_source(self) -> str:
        """Where randomness comes from: none, config or port."""
        return ("none", "config", "port")[self.lib.ray_secrets_source(self._secrets)]

    def _alone(self, what: str) -> None:
        if self.kernel is not None:
            raise StateError(f"a Kernel {what} by its rows")

# SPDX-License-Identifier: MIT
"""auth: who is asking, and what they may do.

API keys, Basic, opaque bearers, signed tokens (JWT) and introspected ones; roles and permissions;
lockout before any secret is looked at. Instants are whole nanoseconds. Rules: SEMANTICS.md, "auth";
the C core behind it: ray/auth.h.
"""

from __future__ import annotations

import hashlib
from typing import Any

from host_sim.decision import NONE, pack_address, pack_headers
from host_sim.errors import ArgumentError, StateError, check
from host_sim.modules.auth_introspection import (
    Resolver,
    http_resolver,
    introspection_resolver,
)
from host_sim.modules.auth_reading import AuthReading
from host_sim.modules.auth_types import (
    EVERYTHING,
    NOTHING,
    ApiKeyEntry,
    AuthStats,
    AuthToken,
    Identity,
    Introspection,
    Need,
    Permission,
    Role,
    TokenType,
)

__all__ = [
    "EVERYTHING", "NOTHING", "ApiKeyEntry", "AuthStats", "AuthToken", "AuthenticationManager",
    "Identity", "Introspection", "Need", "Permission", "Resolver", "Role", "TokenType",
    "http_resolver",
    "introspection_resolver",
]  # fmt: skip


class AuthenticationManager(AuthReading):
    """256 tokens, 512 API keys (profile seed), and the rights behind them.

    Alone it owns a state, a block of secrets and one issuer that signs with `key` (32 random bytes
    when None); `entropy` feeds its random generator, `tenants` and `services` are its names. With
    `kernel` it reads and controls that Kernel's. A refusal is an outcome, not an exception.
    """

    # -- tokens ---------------------------------------------------------------------------------
    def issue_token(
        self, user_id: str, role: Role = Role.USER, *, permissions: Permission = NOTHING,
        tenant: str | None = None, lifetime_ns: int = 0, issuer: int | None = None,
        now_ns: int | None = None,
    ) -> AuthToken:
        """A signed token; `text` is what a client sends. `permissions` are the most it gives
        (NOTHING: whatever the role has), `lifetime_ns` 0 is the configured one. Raises FullError
        when 256 live ones stand in the table, RangeError, ArgumentError, StateError without a key.
        """
        spec, row = self.ffi.new("ray_token_spec *"), self.ffi.new("ray_token *")
        self._user(spec, user_id)
        spec.tenant = self._tenant(tenant)
        self._fill(spec, {"role": int(role), "permissions": int(permissions),
                          "lifetime_ns": lifetime_ns, "jwt": NONE if issuer is None else issuer})
        text, memory = self._room()
        check(self.lib.ray_auth_issue(self._state, self._pass(now_ns), self._wall(), self._secrets,
                                      spec, text, row), f"a token for {user_id!r}")
        self._edited("ADD", "CREDENTIAL", NONE, 0, int(row.expires_ns))
        return self._token_of(row, bytes(self.ffi.buffer(memory, text.length)).decode())

    def _room(self) -> tuple[Any, Any]:
        text, memory = self.ffi.new("ray_text *"), self.ffi.new("char[]", 8192)
        self.lib.ray_text_init(text, memory, 8192)
        return text, memory

    def validate_token(
        self, token: str | AuthToken, *, service_name: str | None = None, now_ns: int | None = None
    ) -> Identity:
        """Whose is this token, and is it good now? Only asks; permissions are those on
        `service_name`."""
        answer = self.ffi.new("ray_auth_answer *")
        check(self.lib.ray_auth_validate(
            self._state, self._at(now_ns), self._wall(), self._secrets,
            self._service(service_name), self._view(_text_of(token)), answer), "a token")
        return self._identity(answer)

    def refresh_token(self, token: str | AuthToken, *, now_ns: int | None = None) -> AuthToken:
        """A new token for a live one of ours; the old one is no longer good. Raises StateError with
        the reason: expired, revoked, rotated (and then its whole family is revoked), or older than
        the longest refresh."""
        text, memory = self._room()
        row, reason = self.ffi.new("ray_token *"), self.ffi.new("uint32_t *")
        status = self.lib.ray_auth_refresh(
            self._state, self._pass(now_ns), self._wall(), self._secrets,
            self._view(_text_of(token)), text, row, reason)
        check(status, "refresh: " + self._word_of(self.lib.ray_reason_word(reason[0])))
        self._edited("ADD", "CREDENTIAL", NONE, 0, int(row.expires_ns))
        return self._token_of(row, bytes(self.ffi.buffer(memory, text.length)).decode())

    def revoke_token(
        self, token: str | AuthToken, *, issuer: int | None = None, foreign_ns: int = 0,
        now_ns: int | None = None,
    ) -> None:
        """Never good again: by the token, or by its id (a text without dots): of a live one in the
        table, from `issuer` or (None) from any. One that was issued elsewhere takes a place there
        for `foreign_ns`, the longest it can still live, and needs its issuer where there are
        several. Raises UnknownError for an id nobody issued, StateError for a token that does not
        verify, FullError, ArgumentError."""
        raw, now = _text_of(token), self._pass(now_ns)
        if b"." in raw:
            status = self.lib.ray_auth_revoke(self._state, now, self._wall(), self._secrets,
                                              self._view(raw))
        else:
            status = self.lib.ray_auth_revoke_id(
                self._state, now, self._wall(), NONE if issuer is None else issuer,
                self._view(raw), foreign_ns)
        check(status, "revoke a token")
        self._edited("REVOKE", "CREDENTIAL", NONE, 0, 0)

    # -- credentials ----------------------------------------------------------------------------
    def register_api_key(
        self, name: str, *, service_name: str | None = None, permissions: Permission = NOTHING,
        role: Role = Role.USER, user: str | None = None, tenant: str | None = None,
        expires: int = 0, sha256: str | None = None, kind: TokenType = TokenType.API_KEY,
        password: str | None = None,
    ) -> ApiKeyEntry:
        """Adds an API key (or a Basic user with its `password`, or an opaque bearer). Its secret is
        in the entry that comes back and nowhere else; `sha256` brings one from elsewhere. Raises
        ExistsError, FullError, ArgumentError."""
        spec, handle = self.ffi.new("ray_credential_spec *"), self.ffi.new("uint32_t *")
        self._set_name(spec.name, name, "a key's name")
        self._set_name(spec.user, user or "", "a user")
        spec.tenant, spec.service = self._tenant(tenant), self._service(service_name)
        self._fill(spec, {"scheme": int(kind), "role": int(role), "expires_ns": expires,
                          "permissions": int(permissions)})
        if kind is TokenType.BASIC:
            if password is None:
                raise ArgumentError("Basic needs a password")
            sha256 = hashlib.sha256(f"{name}:{password}".encode()).hexdigest()
        if sha256 is not None:
            self.ffi.memmove(spec.digest[0], bytes.fromhex(sha256), 32)
        text, memory = self._room()
        check(self.lib.ray_auth_credential_add(self._state, self._secrets, spec, text, handle),
              f"register {name!r}")
        self._edited("ADD", "CREDENTIAL", int(handle[0]), 0, 1)
        secret = bytes(self.ffi.buffer(memory, text.length)).decode() or None
        return self._entry(int(handle[0]), secret)

    def rotate_api_key(self, name: str, *, kind: TokenType = TokenType.API_KEY) -> ApiKeyEntry:
        """A second live secret beside the first, until `retire_api_key` ends the older one. Raises
        FullError while two are live."""
        handle, (text, memory) = self._handle(name, kind), self._room()
        check(self.lib.ray_auth_credential_rotate(self._state, self._secrets, handle, text),
              f"rotate {name!r}")
        self._edited("SET", "CREDENTIAL", handle, 1, 2)
        return self._entry(handle, bytes(self.ffi.buffer(memory, text.length)).decode())

    def retire_api_key(self, name: str, *, kind: TokenType = TokenType.API_KEY) -> ApiKeyEntry:
        """Ends the older of two secrets. Raises StateError when there is only one."""
        handle = self._handle(name, kind)
        check(self.lib.ray_auth_credential_retire(self._state, handle), f"retire {name!r}")
        self._edited("SET", "CREDENTIAL", handle, 2, 1)
        return self._entry(handle)

    def disable_api_key(
        self, name: str, *, disabled: bool = True, kind: TokenType = TokenType.API_KEY
    ) -> None:
        """Keeps the row and refuses it, or takes it back."""
        handle = self._handle(name, kind)
        check(self.lib.ray_auth_credential_disable(self._state, handle, int(disabled)), name)
        self._edited("SET", "CREDENTIAL", handle, int(not disabled), int(disabled))

    def remove_api_key(self, name: str, *, kind: TokenType = TokenType.API_KEY) -> None:
        """Removes the row; its handle is stale from here on."""
        handle = self._handle(name, kind)
        check(self.lib.ray_auth_credential_remove(self._state, handle), name)
        self._edited("REMOVE", "CREDENTIAL", handle, 1, 0)

    def verify_api_key(
        self, presented: str, *, service_name: str | None = None,
        permission: Permission = NOTHING, ip: str | None = None, now_ns: int | None = None,
    ) -> Identity:
        """Whose API key is this (`ID.SECRET`), and does it give `permission` on the service? Counts
        as a request: a wrong secret leads towards lockout."""
        return self.authenticate({self._header(): presented}, service_name=service_name,
                                 permission=permission, ip=ip, now_ns=now_ns)

    def _header(self) -> str:
        spec = self.ffi.new("ray_auth_spec *")
        self.lib.ray_auth_spec_read(self._state, spec)
        return self._text(spec.header)

    # -- requests -------------------------------------------------------------------------------
    def authenticate(
        self, headers: dict[str, str], *, need: Need = Need.REQUIRED,
        service_name: str | None = None, permission: Permission = NOTHING, role: Role = Role.NONE,
        ip: str | None = None, trusted: bool = False, resolver: Resolver | None = None,
        now_ns: int | None = None,
    ) -> Identity:
        """One request's headers, as the pipeline asks: who is it, and may they? An unknown opaque
        bearer is asked about by `resolver` where the configuration introspects; no answer is a
        denial (503, auth-introspect)."""
        query, answer = self.ffi.new("ray_auth_query *"), self.ffi.new("ray_auth_answer *")
        now = self._pass(now_ns)
        query.headers = self._view(pack_headers(headers))
        query.wall_offset_ns, query.service = self._wall(), self._service(service_name)
        query.need, query.permission, query.role = int(need), int(permission), int(role)
        query.trusted = int(trusted)
        if ip is not None:
            self.ffi.memmove(query.address.at, pack_address(ip), 16)
            query.address_known = 1
        ask = self.lib.ray_auth_ask
        status = ask(self._state, now, query, self._secrets, answer)
        if status != self.lib.RAY_OK:
            self.lib.ray_auth_note(self._state, now, query, self.ffi.NULL, 0)
        check(status, "authenticate")
        asked = answer.reason == self.lib.RAY_REASON_AUTH_INTROSPECT and resolver is not None
        if asked and self._resolve(headers, resolver, now):
            check(ask(self._state, now, query, self._secrets, answer), "authenticate")
        self.lib.ray_auth_note(self._state, now, query, answer, int(answer.granted))
        return self._identity(answer)

    def _resolve(self, headers: dict[str, str], resolver: Resolver | None, now: int) -> bool:
        value = next(v for name, v in headers.items() if name.lower() == "authorization")
        token = value.partition(" ")[2].strip()
        said = resolver(token) if resolver is not None else None
        if said is None:
            return False
        self.introspected(token, said, now_ns=now)
        return True

    def introspected(self, token: str, said: Introspection, *, now_ns: int | None = None) -> None:
        """Tells the core what the server said of a token; kept until min(exp, ttl). Raises
        StateError when nothing introspects, ArgumentError."""
        row = self.ffi.new("ray_auth_introspection *")
        row.active, row.tenant = int(said.active), self._tenant(said.tenant)
        self._fill(row, {"role": int(said.role), "permissions": int(said.permissions),
                         "expires_ns": said.expiry})
        if said.active:
            self._user(row, said.user_id)
        check(self.lib.ray_auth_introspected(self._state, self._pass(now_ns), self._wall(),
                                             self._secrets, self._view(token.encode()), row),
              "what the introspection server said")

    # -- rights ---------------------------------------------------------------------------------
    def _grant(self, user_id: str, service_name: str | None, tenant: str | None) -> Any:
        grant = self.ffi.new("ray_grant *")
        self._user(grant, user_id)
        grant.service, grant.tenant = self._service(service_name), self._tenant(tenant)
        return grant

    def grant_permission(
        self, user_id: str, permission: Permission, *, service_name: str | None = None,
        tenant: str | None = None,
    ) -> None:
        """Gives one user more than their role has, on a service or (None) on all. Raises
        FullError, ArgumentError."""
        grant = self._grant(user_id, service_name, tenant)
        self._fill(grant, {"granted": int(permission)})
        check(self.lib.ray_auth_grant(self._state, grant), f"grant to {user_id!r}")
        self._edited("GRANT", "CREDENTIAL", NONE, 0, int(permission))

    def revoke_permission(
        self, user_id: str, permission: Permission, *, service_name: str | None = None,
        tenant: str | None = None,
    ) -> None:
        """Takes from one user what role or grant gave; wins over both."""
        grant = self._grant(user_id, service_name, tenant)
        self._fill(grant, {"revoked": int(permission)})
        check(self.lib.ray_auth_grant(self._state, grant), f"revoke from {user_id!r}")
        self._edited("REVOKE", "CREDENTIAL", NONE, int(permission), 0)

    def clear_permission(
        self, user_id: str, *, service_name: str | None = None, tenant: str | None = None
    ) -> None:
        """Back to what the role has. Raises UnknownError when nothing was granted or revoked."""
        grant = self._grant(user_id, service_name, tenant)
        check(self.lib.ray_auth_grant_clear(self._state, grant), f"no grant for {user_id!r}")
        self._edited("RESET", "CREDENTIAL", NONE, 0, 0)

    def set_role(
        self, role: Role, permissions: Permission, *, service_name: str | None = None
    ) -> None:
        """What a role may on a service, or (None) on all; the first call takes the built-in
        permissions away. Admin cannot be changed."""
        spec = self.ffi.new("ray_role_spec *")
        spec.service = self._service(service_name)
        self._fill(spec, {"role": int(role), "permissions": int(permissions)})
        check(self.lib.ray_auth_role_set(self._state, spec), f"role {role!r}")
        self._edited("SET", "CREDENTIAL", NONE, 0, int(permissions))

    def permissions_of(
        self, who: AuthToken | ApiKeyEntry | Identity | str, *, role: Role | None = None,
        service_name: str | None = None, tenant: str | None = None, now_ns: int | None = None,
    ) -> Permission:
        """Effective permissions on a service: (role + granted) - revoked, and no more than the
        credential gives. A bare user has all roles of `get_user_roles` unless `role` says one."""
        most = EVERYTHING
        if isinstance(who, str):
            user = who
            roles = (role,) if role is not None else self.get_user_roles(who, now_ns=now_ns)
        else:
            user = who.user if isinstance(who, ApiKeyEntry) else who.user_id
            roles, tenant = (who.role,), who.tenant
            if who.permissions and not who.permissions & Permission.ADMIN:
                most = who.permissions
            if isinstance(who, ApiKeyEntry) and who.service_name not in (None, service_name):
                return NOTHING
        view, rights = self._view(user.encode()), NOTHING
        for each in roles or (Role.NONE,):
            rights |= Permission(self.lib.ray_auth_rights(
                self._state, int(each), self._tenant(tenant), view, self._service(service_name)))
        return rights & most

    def check_permission(
        self, who: AuthToken | ApiKeyEntry | Identity | str, permission: Permission, *,
        role: Role | None = None, service_name: str | None = None, tenant: str | None = None,
        now_ns: int | None = None,
    ) -> bool:
        """May they? False for a permission nobody defined, and for a token that is no longer good.
        """
        if isinstance(who, Identity) and not who.granted:
            return False
        if isinstance(who, AuthToken) and not self._good(who, now_ns):
            return False
        wanted = int(permission)
        if not 0 < wanted <= int(EVERYTHING):
            return False
        held = self.permissions_of(who, role=role, service_name=service_name, tenant=tenant,
                                   now_ns=now_ns)
        return wanted & ~int(held) == 0

    def _good(self, token: AuthToken, now_ns: int | None) -> bool:
        """By its text, or where it has none by the table."""
        if token.text:
            return self.validate_token(token, now_ns=now_ns).granted
        return any(row.token_id == token.token_id and row.state == "issued"
                   for row in self.list_tokens(now_ns=now_ns))


def _text_of(token: str | AuthToken) -> bytes:
    if isinstance(token, AuthToken):
        if not token.text:
            raise StateError("the token's text was shown once, when it was issued")
        return token.text.encode()
    return token.encode()

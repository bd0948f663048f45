"""A gRPC server that answers as ChirpStack v4 does, on the servicers of its published protobufs."""

# ruff: noqa: N802 - methods are named as in the protobufs

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from chirpstack_api import api
from chirpstack_devices import DeviceAnswers
from chirpstack_world import (
    BAD_INPUT,
    Answers,
    Caller,
    Refused,
    World,
    caller,
    dangling,
    eui_of,
    named,
    not_there,
    page,
    single,
    stamp,
    there_already,
    uuid_of,
)
from google.protobuf.empty_pb2 import Empty

Answer = Callable[[Any, Caller], Any]


def serve(
    world: World, *, port: int = 0, certificate: tuple[bytes, bytes] | None = None
) -> tuple[grpc.Server, int]:
    """A running server and its port; `certificate` (key, chain in PEM) makes it speak TLS."""
    # One port, one server: another test's must not take half of our calls.
    server = grpc.server(ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 0),))
    for service in SERVICES:
        add = getattr(api, f"add_{service}Servicer_to_server")
        add(_servicer(world, service), server)
    address = f"127.0.0.1:{port}"
    if certificate is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, grpc.ssl_server_credentials([certificate]))
    server.start()
    return server, port


def _servicer(world: World, service: str) -> Any:
    """The published servicer (everything UNIMPLEMENTED) with what we know laid over it."""
    here = SERVICES[service](world)
    made = getattr(api, f"{service}Servicer")()
    for name in [one for one in dir(here) if one[0].isupper()]:
        setattr(made, name, _answering(world, f"{service}.{name}", getattr(here, name)))
    return made


def _answering(world: World, method: str, answer: Answer) -> Callable[[Any, Any], Any]:
    def called(request: Any, context: Any) -> Any:
        with world.lock:
            world.calls[method] += 1
            try:
                world.before(method, request)
                answered = answer(request, caller(world, context))
                world.after(method, request)
            except Refused as refusal:
                context.abort(refusal.code, refusal.details)
        return answered

    return called


class TenantAnswers(Answers):
    """api/tenant.rs"""

    def Create(self, request: Any, who: Caller) -> Any:
        who.must(admin=True, writing=True)
        made = api.Tenant()
        made.CopyFrom(request.tenant)
        made.id, made.name = str(uuid.uuid4()), named(made.name)
        self.world.tenants[made.id] = made
        return api.CreateTenantResponse(id=made.id)

    def Get(self, request: Any, who: Caller) -> Any:
        number = uuid_of(request.id)
        who.must(tenant_id=number)
        return api.GetTenantResponse(tenant=self.world.tenants.get(number) or not_there(number))

    def List(self, request: Any, who: Caller) -> Any:
        who.must(admin=True)
        found = [
            api.TenantListItem(id=one.id, name=one.name)
            for one in sorted(self.world.tenants.values(), key=lambda one: one.name)
            if request.search.lower() in one.name.lower()
        ]
        return page(found, request, api.ListTenantsResponse())


class ApplicationAnswers(Answers):
    """api/application.rs"""

    def Create(self, request: Any, who: Caller) -> Any:
        tenant_id = uuid_of(request.application.tenant_id)
        who.must(tenant_id=tenant_id, writing=True)
        if tenant_id not in self.world.tenants:
            dangling("application", "application_tenant_id_fkey")
        made = api.Application()
        made.CopyFrom(request.application)
        made.id, made.name = str(uuid.uuid4()), named(made.name)
        self.world.applications[made.id] = made
        return api.CreateApplicationResponse(id=made.id)

    def List(self, request: Any, who: Caller) -> Any:
        tenant_id = uuid_of(request.tenant_id)
        who.must(tenant_id=tenant_id)
        found = [
            api.ApplicationListItem(id=one.id, name=one.name, description=one.description)
            for one in sorted(self.world.applications.values(), key=lambda one: one.name)
            if one.tenant_id == tenant_id and request.search.lower() in one.name.lower()
        ]
        return page(found, request, api.ListApplicationsResponse())


class ProfileAnswers(Answers):
    """api/device_profile.rs"""

    def Create(self, request: Any, who: Caller) -> Any:
        tenant_id = uuid_of(request.device_profile.tenant_id)
        who.must(tenant_id=tenant_id, writing=True)
        if tenant_id not in self.world.tenants:
            dangling("device_profile", "device_profile_tenant_id_fkey")
        made = self._kept(request.device_profile)
        made.id = str(uuid.uuid4())
        self.world.profiles[made.id] = made
        return api.CreateDeviceProfileResponse(id=made.id)

    def Get(self, request: Any, who: Caller) -> Any:
        number = uuid_of(request.id)
        found = self.world.profiles.get(number)
        who.must(tenant_id=(found.tenant_id or (who.key and who.key.tenant_id) or "") if found else "")
        return api.GetDeviceProfileResponse(device_profile=found or not_there(number))

    def Update(self, request: Any, who: Caller) -> Any:
        number = uuid_of(request.device_profile.id)
        found = self.world.profiles.get(number)
        who.must(tenant_id=found.tenant_id if found else "", writing=True)
        if found is None:
            not_there(number)
        made = self._kept(request.device_profile)
        made.id, made.tenant_id = found.id, found.tenant_id
        self.world.profiles[number] = made
        return Empty()

    def List(self, request: Any, who: Caller) -> Any:
        tenant_id = uuid_of(request.tenant_id)
        who.must(tenant_id=tenant_id)
        homes = (tenant_id,) if request.tenant_only else (tenant_id, "")
        found = [
            api.DeviceProfileListItem(id=one.id, name=one.name, supports_otaa=one.supports_otaa)
            for one in sorted(self.world.profiles.values(), key=lambda one: one.name)
            if one.tenant_id in homes
        ]
        return page(found, request, api.ListDeviceProfilesResponse())

    def _kept(self, given: Any) -> Any:
        made = api.DeviceProfile()
        made.CopyFrom(given)
        if len(named(made.name)) < 2:
            raise Refused(BAD_INPUT, "Validation error: name: Validation error: length")
        made.app_layer_params.SetInParent()
        if made.supports_otaa:  # parameters of ABP are kept only without OTAA
            for one in ("abp_rx1_delay", "abp_rx1_dr_offset", "abp_rx2_dr", "abp_rx2_freq"):
                made.ClearField(one)
        return made


class GatewayAnswers(Answers):
    """api/gateway.rs"""

    def Create(self, request: Any, who: Caller) -> Any:
        tenant_id = uuid_of(request.gateway.tenant_id)
        who.must(tenant_id=tenant_id, writing=True)
        made = self._kept(request.gateway)
        made.downlink_priority = made.downlink_priority or 10
        tenant = self.world.tenants.get(tenant_id) or not_there(tenant_id)
        if not tenant.can_have_gateways:
            raise Refused(BAD_INPUT, "Not allowed (Tenant can not have gateways)")
        if made.gateway_id in self.world.gateways:
            there_already("gateway_pkey")
        self.world.gateways[made.gateway_id] = made
        return Empty()

    def Get(self, request: Any, who: Caller) -> Any:
        found = self._found(request.gateway_id, who)
        answer = api.GetGatewayResponse(gateway=found)
        stamp(answer, self.world.seen.get(found.gateway_id))
        return answer

    def Update(self, request: Any, who: Caller) -> Any:
        found = self._found(request.gateway.gateway_id, who, writing=True)
        made = self._kept(request.gateway)
        if not made.downlink_priority:
            raise Refused(BAD_INPUT, "Validation error: downlink_priority must be > 0")
        made.tenant_id = found.tenant_id
        self.world.gateways[made.gateway_id] = made
        return Empty()

    def Delete(self, request: Any, who: Caller) -> Any:
        del self.world.gateways[self._found(request.gateway_id, who, writing=True).gateway_id]
        return Empty()

    def List(self, request: Any, who: Caller) -> Any:
        tenant_id = uuid_of(request.tenant_id)
        who.must(tenant_id=tenant_id)
        order = "gateway_id" if request.order_by == api.ListGatewaysRequest.OrderBy.GATEWAY_ID else "name"
        mine = [one for one in self.world.gateways.values() if one.tenant_id == tenant_id]
        found = [self._item(one) for one in sorted(mine, key=lambda one: getattr(one, order))]
        return page(found, request, api.ListGatewaysResponse())

    def _found(self, gateway_id: str, who: Caller, *, writing: bool = False) -> Any:
        number = eui_of(gateway_id)
        found = self.world.gateways.get(number)
        who.must(tenant_id=found.tenant_id if found else "", writing=writing)
        return found or not_there(number)

    def _item(self, one: Any) -> Any:
        seen = self.world.seen.get(one.gateway_id)
        item = api.GatewayListItem(
            tenant_id=one.tenant_id,
            gateway_id=one.gateway_id,
            name=one.name,
            description=one.description,
            location=one.location,
        )
        stamp(item, seen)
        if seen is not None:
            late = datetime.now(UTC) - seen > timedelta(seconds=2 * one.stats_interval)
            item.state = api.GatewayState.OFFLINE if late else api.GatewayState.ONLINE
        return item

    def _kept(self, given: Any) -> Any:
        made = api.Gateway()
        made.CopyFrom(given)
        made.gateway_id, made.name = eui_of(given.gateway_id), named(given.name)
        made.location.altitude = single(given.location.altitude)
        return made


SERVICES: dict[str, type[Answers]] = {
    "TenantService": TenantAnswers,
    "ApplicationService": ApplicationAnswers,
    "DeviceProfileService": ProfileAnswers,
    "GatewayService": GatewayAnswers,
    "DeviceService": DeviceAnswers,
}

"""Devices, their keys, sessions and queues, as ChirpStack v4 answers for them (api/device.rs)."""

# ruff: noqa: N802 - methods are named as in the protobufs

from __future__ import annotations

import uuid
from typing import Any

from chirpstack_api import api
from chirpstack_world import (
    BAD_INPUT,
    BROKEN,
    ZEROS,
    Answers,
    Caller,
    Refused,
    dangling,
    eui_of,
    fitting,
    key_of,
    named,
    not_there,
    page,
    stamp,
    there_already,
    uuid_of,
)
from google.protobuf.empty_pb2 import Empty


class DeviceAnswers(Answers):
    """DeviceService."""

    def Create(self, request: Any, who: Caller) -> Any:
        made = self._kept(request.device)
        application = self.world.applications.get(made.application_id)
        who.must(tenant_id=application.tenant_id if application else "", writing=True)
        if application is None:
            raise Refused(BROKEN, "Record not found")
        if made.dev_eui in self.world.devices:
            there_already("device_pkey")
        self._must_have_profile(made)
        fitting(made.name)  # creating asks for no name, changing does
        self.world.devices[made.dev_eui] = made
        return Empty()

    def Get(self, request: Any, who: Caller) -> Any:
        found = self._found(request.dev_eui, who)
        answer = api.GetDeviceResponse(device=found)
        stamp(answer, self.world.seen.get(found.dev_eui))
        return answer

    def Update(self, request: Any, who: Caller) -> Any:
        made = self._kept(request.device)
        self._found(request.device.dev_eui, who, writing=True)
        named(made.name)
        self._must_have_profile(made)
        self.world.devices[made.dev_eui] = made
        return Empty()

    def Delete(self, request: Any, who: Caller) -> Any:
        number = self._found(request.dev_eui, who, writing=True).dev_eui
        for table in (self.world.devices, self.world.keys, self.world.sessions, self.world.queues):
            table.pop(number, None)
        return Empty()

    def List(self, request: Any, who: Caller) -> Any:
        number = uuid_of(request.application_id)
        application = self.world.applications.get(number)
        who.must(tenant_id=application.tenant_id if application else "")
        order = "dev_eui" if request.order_by == api.ListDevicesRequest.OrderBy.DEV_EUI else "name"
        mine = [one for one in self.world.devices.values() if one.application_id == number]
        found = [self._item(one) for one in sorted(mine, key=lambda one: getattr(one, order))]
        return page(found, request, api.ListDevicesResponse())

    def CreateKeys(self, request: Any, who: Caller) -> Any:
        made = self._keys(request.device_keys, who)
        if made.dev_eui in self.world.keys:
            there_already("device_keys_pkey")
        if made.dev_eui not in self.world.devices:
            dangling("device_keys", "device_keys_dev_eui_fkey")
        self.world.keys[made.dev_eui] = made
        return Empty()

    def GetKeys(self, request: Any, who: Caller) -> Any:
        number = self._allowed(request.dev_eui, who)
        return api.GetDeviceKeysResponse(device_keys=self.world.keys.get(number) or not_there(number))

    def UpdateKeys(self, request: Any, who: Caller) -> Any:
        made = self._keys(request.device_keys, who)
        if made.dev_eui not in self.world.keys:
            not_there(made.dev_eui)
        self.world.keys[made.dev_eui] = made
        return Empty()

    def FlushDevNonces(self, request: Any, who: Caller) -> Any:
        number = self._allowed(request.dev_eui, who, writing=True)
        if number not in self.world.keys:
            not_there(number)
        self.world.nonces[number] += 1
        return Empty()

    def Activate(self, request: Any, who: Caller) -> Any:
        given = request.device_activation
        number = self._found(given.dev_eui, who, writing=True).dev_eui
        made = api.DeviceActivation(dev_eui=number, dev_addr=given.dev_addr.lower())
        for one in ("app_s_key", "nwk_s_enc_key", "s_nwk_s_int_key", "f_nwk_s_int_key"):
            setattr(made, one, key_of(getattr(given, one)))
        made.f_cnt_up, made.n_f_cnt_down = given.f_cnt_up, given.n_f_cnt_down
        self.world.sessions[number] = made
        if self.world.profiles[self.world.devices[number].device_profile_id].flush_queue_on_activate:
            self.world.queues.pop(number, None)
        return Empty()

    def GetActivation(self, request: Any, who: Caller) -> Any:
        number = self._found(request.dev_eui, who).dev_eui
        return api.GetDeviceActivationResponse(device_activation=self.world.sessions.get(number))

    def Enqueue(self, request: Any, who: Caller) -> Any:
        item = api.DeviceQueueItem()
        item.CopyFrom(request.queue_item)
        number = self._allowed(item.dev_eui, who, writing=True)
        waiting = self.world.queues.setdefault(number, [])
        if request.flush_queue:
            waiting[:] = [one for one in waiting if one.is_pending]
        if not 1 <= item.f_port % 256 <= 255:
            raise Refused(BAD_INPUT, "Validation error: FPort must be between 1 - 255")
        if number not in self.world.devices:
            dangling("device_queue_item", "device_queue_item_dev_eui_fkey")
        item.id, item.dev_eui = str(uuid.uuid4()), number
        waiting.append(item)
        return api.EnqueueDeviceQueueItemResponse(id=item.id)

    def FlushQueue(self, request: Any, who: Caller) -> Any:
        self.world.queues.pop(self._allowed(request.dev_eui, who, writing=True), None)
        return Empty()

    def GetQueue(self, request: Any, who: Caller) -> Any:
        waiting = self.world.queues.get(self._allowed(request.dev_eui, who), [])
        return api.GetDeviceQueueItemsResponse(total_count=len(waiting), result=waiting)

    def _allowed(self, dev_eui: str, who: Caller, *, writing: bool = False) -> str:
        number = eui_of(dev_eui)
        who.must(tenant_id=self.world.tenant_of_device(number), writing=writing)
        return number

    def _found(self, dev_eui: str, who: Caller, *, writing: bool = False) -> Any:
        number = self._allowed(dev_eui, who, writing=writing)
        return self.world.devices.get(number) or not_there(number)

    def _keys(self, given: Any, who: Caller) -> Any:
        number = self._allowed(given.dev_eui, who, writing=True)
        made = {one: key_of(getattr(given, one)) for one in ("nwk_key", "app_key", "gen_app_key")}
        assert made["nwk_key"] != ZEROS, "a device with such a key could be impersonated by anybody"
        return api.DeviceKeys(dev_eui=number, **made)

    def _must_have_profile(self, made: Any) -> None:
        if made.device_profile_id not in self.world.profiles:
            dangling("device", "device_device_profile_id_fkey")

    def _item(self, one: Any) -> Any:
        item = api.DeviceListItem(
            dev_eui=one.dev_eui,
            name=one.name,
            description=one.description,
            device_profile_id=one.device_profile_id,
            device_profile_name=self.world.profiles[one.device_profile_id].name,
            tags=one.tags,
            device_status=self.world.status.get(one.dev_eui),
        )
        stamp(item, self.world.seen.get(one.dev_eui))
        return item

    def _kept(self, given: Any) -> Any:
        made = api.Device()
        made.CopyFrom(given)
        made.dev_eui, made.join_eui = eui_of(given.dev_eui), eui_of(given.join_eui)
        made.application_id, made.device_profile_id = (
            uuid_of(given.application_id),
            uuid_of(given.device_profile_id),
        )
        return made

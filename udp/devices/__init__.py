"""The device register: what people know of every device, in bulk, with its keys under lock.

It shares the registry's tables with the city file. Every row says who speaks for it (`origin`), and the last
to speak through the register keeps the word: a city import changes and retires only its own rows. The
register takes over a Thing's row only where a table changes it, the device always, and the Datastreams the
device feeds always. So a device exchanged through the register does not come back with the next city
import, the city file still moves its own Things, and none is retired while a device of the register hangs
on it. A city file that measures again what a device of the register measures is refused with both names.

Keys reach those who open frames by `[devices] sessions`: after every import and undo that file holds the
sessions of all devices in force (ABP, or kept after a join by `DeviceRegister.keep_sessions`), beside those
of devices the register does not know. Ingest's keyring notices the change by itself.
"""

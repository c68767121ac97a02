"""The customer's phone in tau2's telecom domain: its state, where it finds a network, and what it can do there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from credit_gym.envs.tau2.database import Draft, Row

DEVICE, SURROUNDINGS = "user:device", "user:surroundings"
"""Tables of one row each."""


class ApnSettings(TypedDict):
    """How the phone reaches the company's data network."""

    apn_name: str
    reset_at_reboot: bool
    mms_apn: str | None
    mmsc_url: str | None
    mms_proxy: str | None
    mms_port: int | None


class VpnDetails(TypedDict):
    """A VPN that is connected."""

    server_address: str | None
    protocol: str | None
    server_performance: str


class Permissions(TypedDict):
    """What an app may do."""

    sms: bool
    storage: bool
    phone: bool
    network: bool


class App(TypedDict):
    """An app of the phone."""

    app_name: str
    permissions: Permissions


class Device(TypedDict):
    """The phone."""

    sim_card_status: str
    sim_card_missing: bool
    airplane_mode: bool
    network_signal_strength: str
    network_technology_connected: str
    network_connection_status: str
    battery_level: int
    data_enabled: bool
    roaming_enabled: bool
    network_mode_preference: str
    active_apn_settings: ApnSettings
    wifi_enabled: bool
    wifi_connected: bool
    wifi_ssid: str | None
    wifi_signal_strength: str
    wifi_calling_enabled: bool
    wifi_calling_mms_over_wifi: bool
    data_saver_mode: bool
    vpn_enabled_setting: bool
    vpn_connected: bool
    vpn_details: VpnDetails | None
    app_statuses: dict[str, App]


class PaymentRequest(TypedDict):
    """A bill that the company asks to be paid."""

    bill_id: str
    amount_due: float
    paid: bool


class Surroundings(TypedDict):
    """Where the customer is, and what the company lets the phone do."""

    name: str | None
    phone_number: str | None
    is_abroad: bool
    roaming_allowed: bool
    signal_strength: dict[str, str]
    mobile_data_usage_exceeded: bool
    line_active: bool
    payment_request: PaymentRequest | None


MODELS: Mapping[str, type] = {DEVICE: Device, SURROUNDINGS: Surroundings}
"""Table -> what its row looks like."""

APN: Row = {
    "apn_name": "internet", "reset_at_reboot": False, "mms_apn": "mms",
    "mmsc_url": "http://mms.carrier.com/mms/wapenc", "mms_proxy": None, "mms_port": None,
}  # fmt: skip
"""The settings that a phone has at first, and after they were reset."""

MODES: Mapping[str, str] = {"4g_5g_preferred": "5G", "4g_only": "4G", "3g_only": "3G", "2g_only": "2G"}
"""What a phone can be told to prefer, and the network that it then looks for."""


def device(db: Draft) -> Row:
    """Return the phone."""
    return db.get(DEVICE, "device") or {}


def surroundings(db: Draft) -> Row:
    """Return where the phone is."""
    return db.get(SURROUNDINGS, "surroundings") or {}


def change(db: Draft, **fields: Any) -> None:
    """Change the phone."""
    db.put(DEVICE, "device", {**device(db), **fields})


def change_surroundings(db: Draft, **fields: Any) -> None:
    """Change where the phone is; nothing is written where nothing changes."""
    before = surroundings(db)
    if any(before.get(name) != value for name, value in fields.items()):
        db.put(SURROUNDINGS, "surroundings", {**before, **fields})


def change_apn(db: Draft, **fields: Any) -> None:
    """Change some of the settings by which the phone reaches the data network."""
    change(db, active_apn_settings={**device(db)["active_apn_settings"], **fields})


def device_of(given: Mapping[str, Any]) -> Row:
    """Return a phone with what its file leaves out."""
    apps = given.get("app_statuses", _APPS)
    vpn = given.get("vpn_details")
    return {
        **_DEVICE,
        **given,
        "active_apn_settings": {**APN, **given.get("active_apn_settings", {})},
        "vpn_details": None if vpn is None else {"server_performance": "unknown", **vpn},
        "app_statuses": {
            name: {"app_name": name, **app, "permissions": {**_NO_PERMISSIONS, **app.get("permissions", {})}}
            for name, app in apps.items()
        },
    }


def surroundings_of(given: Mapping[str, Any]) -> Row:
    """Return where a phone is with what its file leaves out."""
    request = given.get("payment_request")
    return {**_SURROUNDINGS, **given, "payment_request": None if request is None else {"paid": False, **request}}


def sim_status(db: Draft) -> str:
    """Return active, missing, locked_pin or locked_puk."""
    phone = device(db)
    return "missing" if phone["sim_card_missing"] else str(phone["sim_card_status"])


def search_network(db: Draft) -> None:
    """Let the phone look for a network: the one that it prefers, unless something keeps it from all."""
    phone, around = device(db), surroundings(db)
    if (
        sim_status(db) != "active"
        or phone["airplane_mode"]
        or phone["active_apn_settings"]["apn_name"] == "broken"
        or not around["line_active"]
    ):
        status, technology, signal = "no_service", "none", "none"
    else:
        strength = around["signal_strength"]
        status, technology = "connected", MODES.get(phone["network_mode_preference"], "4G")
        if technology == "5G" and strength.get("5G", "none") == "none":
            technology = "4G"
        signal = strength.get(technology, "none")
    change(
        db,
        network_connection_status=status,
        network_technology_connected=technology,
        network_signal_strength=signal,
    )


def data_works(db: Draft) -> bool:
    """Whether the phone has mobile data."""
    phone, around = device(db), surroundings(db)
    return bool(
        not phone["airplane_mode"]
        and phone["network_signal_strength"] != "none"
        and phone["network_connection_status"] != "no_service"
        and (not around["is_abroad"] or (phone["roaming_enabled"] and around["roaming_allowed"]))
        and phone["data_enabled"]
        and not around["mobile_data_usage_exceeded"]
    )


def mms_works(db: Draft) -> bool:
    """Whether the phone can send a picture."""
    phone = device(db)
    app = phone["app_statuses"].get("messaging")
    return bool(
        data_works(db)
        and phone["network_technology_connected"] != "2G"
        and not (phone["wifi_calling_enabled"] and phone["wifi_calling_mms_over_wifi"])
        and phone["active_apn_settings"]["mmsc_url"] is not None
        and app is not None
        and app["permissions"]["storage"]
        and app["permissions"]["sms"]
    )


def speed(db: Draft) -> tuple[float | None, str]:
    """Return the megabits a second of mobile data and what they are called; None where there is no connection."""
    if not data_works(db):
        return None, "No Connection"
    phone = device(db)
    slow_vpn = phone["vpn_connected"] and (phone["vpn_details"] or {}).get("server_performance") == "poor"
    share = 0.1 if slow_vpn else 1.0
    if phone["data_saver_mode"]:
        share *= 0.2
    least, most = _SPEEDS.get(phone["network_technology_connected"], (0.0, 0.0))
    found = round((least + most) / 2.0 * _SIGNALS.get(phone["network_signal_strength"], 0.0) * share, 2)
    return found, next(name for name, limit in _SPEED_NAMES.items() if found < limit)


def status_bar(db: Draft) -> str:
    """Return the icons at the top of the phone, from left to right."""
    phone = device(db)
    icons = ["✈️ Airplane Mode"]
    if not phone["airplane_mode"]:
        technology = phone["network_technology_connected"]
        connected = technology != "none"
        icons = [_BARS[phone["network_signal_strength"]], *([technology] if connected else ())]
        if phone["data_enabled"] and connected:
            icons += ["📱 Data Enabled", *(["🔽 Data Saver"] if phone["data_saver_mode"] else ())]
        else:
            icons.append("📵 Data Disabled")
    if phone["wifi_enabled"] and phone["wifi_connected"]:
        icons.append(f"📡 Connected to {phone['wifi_ssid']}" if phone["wifi_ssid"] else "📡 Enabled")
    if phone["vpn_connected"]:
        icons.append("🔒 VPN Connected")
    return " | ".join((*icons, f"🔋 {phone['battery_level']}%"))


def toggle_airplane(db: Draft) -> bool:
    """Turn airplane mode on or off; return whether it is on now. Either way Wi-Fi is lost, and at take-off the VPN."""
    phone = device(db)
    on = not phone["airplane_mode"]
    lost = {"wifi_connected": False, "wifi_ssid": None, "wifi_signal_strength": "none"}
    change(db, airplane_mode=on, **(lost if on or phone["wifi_enabled"] else {}))
    if on:
        drop_vpn(db)
    search_network(db)
    return on


def connect_vpn(db: Draft) -> bool:
    """Connect the VPN; return whether it was not."""
    if device(db)["vpn_connected"]:
        return False
    change(db, vpn_connected=True, vpn_details=dict(_VPN))
    return True


def drop_vpn(db: Draft) -> bool:
    """Disconnect the VPN; return whether it was connected."""
    if not device(db)["vpn_connected"]:
        return False
    change(db, vpn_connected=False, vpn_details=None)
    return True


def permit(db: Draft, app_name: str, permission: str, allowed: bool) -> None:
    """Give an app a permission, or take it away."""
    apps = device(db)["app_statuses"]
    app = apps[app_name]
    permissions = {**app["permissions"], permission: allowed}
    change(db, app_statuses={**apps, app_name: {**app, "permissions": permissions}})


_SPEEDS = {"2G": (0.1, 0.4), "3G": (1.0, 5.0), "4G": (10.0, 100.0), "5G": (50.0, 500.0)}  # Mbit/s, least and most
_SIGNALS = {"poor": 0.2, "fair": 0.5, "good": 0.8, "excellent": 1.0}  # share of the speed
_SPEED_NAMES = {"Very Poor": 1, "Poor": 5, "Fair": 25, "Good": 100, "Excellent": float("inf")}  # Mbit/s, below
_BARS = {
    "none": "📵 No Signal", "poor": "📶¹ Poor", "fair": "📶² Fair", "good": "📶³ Good", "excellent": "📶⁴ Excellent"
}  # fmt: skip
_VPN: Row = {"server_address": "192.168.1.1", "protocol": "OpenVPN", "server_performance": "excellent"}
_NO_PERMISSIONS = dict.fromkeys(("sms", "storage", "phone", "network"), False)
_APPS: Mapping[str, Any] = {
    "messaging": {"permissions": {"sms": True, "storage": True, "phone": True}},
    "browser": {"permissions": {"network": True, "storage": True}},
}
_DEVICE: Row = {
    "sim_card_status": "active", "sim_card_missing": False, "airplane_mode": False, "network_signal_strength": "good",
    "network_technology_connected": "5G", "network_connection_status": "connected", "battery_level": 80,
    "data_enabled": True, "roaming_enabled": False, "network_mode_preference": "4g_5g_preferred",
    "wifi_enabled": False, "wifi_connected": False, "wifi_ssid": None, "wifi_signal_strength": "none",
    "wifi_calling_enabled": False, "wifi_calling_mms_over_wifi": False, "data_saver_mode": False,
    "vpn_enabled_setting": False, "vpn_connected": False,
}  # fmt: skip
_SURROUNDINGS: Row = {
    "name": None, "phone_number": None, "is_abroad": False, "roaming_allowed": False,
    "signal_strength": {"2G": "poor", "3G": "fair", "4G": "good", "5G": "excellent"},
    "mobile_data_usage_exceeded": False, "line_active": True,
}  # fmt: skip

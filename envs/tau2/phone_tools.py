"""What the customer of tau2's telecom domain can do with the phone; alone, the agent does it."""

# ruff: noqa: D417 - the first argument of every tool is the draft it works on; the rest is what an agent reads

from __future__ import annotations

from typing import Any

from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.phone import (
    APN,
    MODES,
    change,
    change_apn,
    change_surroundings,
    device,
    drop_vpn,
    mms_works,
    permit,
    search_network,
    sim_status,
    speed,
    status_bar,
    surroundings,
    toggle_airplane,
)
from credit_gym.envs.tau2.phone import (
    connect_vpn as connect,
)
from credit_gym.envs.tau2.toolkit import Refused, Toolkit

USER_TOOLS = Toolkit()


@USER_TOOLS.read
def check_status_bar(db: Draft) -> str:
    """Look at the icons at the top of your phone: signal, mobile data, Wi-Fi, battery."""
    return f"Status Bar: {status_bar(db)}"


@USER_TOOLS.read
def check_network_status(db: Draft) -> str:
    """Look up how your phone is connected: airplane mode, SIM card, signal, network, mobile data, roaming, Wi-Fi."""
    phone = device(db)
    lines = [
        f"Airplane Mode: {_on(phone['airplane_mode'])}",
        f"SIM Card Status: {sim_status(db)}",
        f"Cellular Connection: {phone['network_connection_status']}",
        f"Cellular Signal: {phone['network_signal_strength']}",
        f"Cellular Network Type: {phone['network_technology_connected']}",
        f"Mobile Data Enabled: {_yes(phone['data_enabled'])}",
        f"Data Roaming Enabled: {_yes(phone['roaming_enabled'])}",
        f"Wi-Fi Radio: {_on(phone['wifi_enabled'])}",
        f"Wi-Fi Connected: {_yes(phone['wifi_connected'])}",
    ]
    if phone["wifi_connected"]:
        lines.append(f"Connected Wi-Fi Network: {phone['wifi_ssid']}")
    return "\n".join(lines)


@USER_TOOLS.read
def check_network_mode_preference(db: Draft) -> str:
    """Look up which kind of network your phone prefers."""
    return f"Network Mode Preference: {device(db)['network_mode_preference']}"


@USER_TOOLS.write
def set_network_mode_preference(db: Draft, mode: str) -> str:
    """Choose which kind of network your phone prefers.

    Args:
        mode: 4g_5g_preferred, 4g_only, 3g_only or 2g_only.
    """
    if mode not in MODES:
        sentence = f"Failed to set network mode: '{mode}' is not a valid option. Please use one of: {', '.join(MODES)}"
        return _with_icons(db, sentence)
    change(db, network_mode_preference=mode)
    search_network(db)
    return _with_icons(db, f"Preferred Network Mode set to: {mode}")


@USER_TOOLS.read
def run_speed_test(db: Draft) -> str:
    """Measure how fast your mobile data is."""
    found, name = speed(db)
    if found is None:
        return f"Speed test failed: {name}."
    return f"Speed Test Result: {found:.2f} Mbps ({name}). {_ADVICE[name]}"


@USER_TOOLS.write
def toggle_airplane_mode(db: Draft) -> str:
    """Turn airplane mode on, or off if it is on. While it is on, the phone has no connection at all."""
    return _with_icons(db, f"Airplane Mode is now {_on(toggle_airplane(db))}.")


@USER_TOOLS.read
def check_sim_status(db: Draft) -> str:
    """Look up whether your SIM card is active, missing or locked."""
    return _SIM[sim_status(db)]


@USER_TOOLS.write
def reseat_sim_card(db: Draft) -> str:
    """Take your SIM card out and put it back."""
    change(db, sim_card_missing=False)
    search_network(db)
    return _with_icons(db, "SIM card re-seated successfully.")


@USER_TOOLS.write
def toggle_data(db: Draft) -> str:
    """Turn mobile data on, or off if it is on."""
    return _toggled(db, "data_enabled", "Mobile Data", searches=True)


@USER_TOOLS.write
def toggle_roaming(db: Draft) -> str:
    """Turn data roaming on, or off if it is on: whether your phone uses data in other companies' networks."""
    return _toggled(db, "roaming_enabled", "Data Roaming", searches=True)


@USER_TOOLS.read
def check_data_restriction_status(db: Draft) -> str:
    """Look up whether your phone saves data."""
    saves = device(db)["data_saver_mode"]
    return "Data Saver mode is ON (limits data usage)." if saves else "Data Saver mode is OFF."


@USER_TOOLS.write
def toggle_data_saver_mode(db: Draft) -> str:
    """Turn data saver mode on, or off if it is on. It makes data slower."""
    return _toggled(db, "data_saver_mode", "Data Saver Mode")


@USER_TOOLS.read
def check_apn_settings(db: Draft) -> str:
    """Look up the settings by which your phone reaches the data network and sends pictures."""
    apn = device(db)["active_apn_settings"]
    return (
        f"Current APN Name: {apn['apn_name'] or 'Not Set'}\n"
        f"MMSC URL (for picture messages): {apn['mmsc_url'] or 'Not Set'}\n"
        "(These are technical settings, usually best left unchanged.)"
    )


@USER_TOOLS.write
def set_apn_settings(db: Draft, apn_settings: dict) -> str:  # type: ignore[type-arg]
    """Set the settings by which your phone reaches the data network; what is left out is set to its default.

    Args:
        apn_settings: Any of apn_name ("internet"), reset_at_reboot, mms_apn, mmsc_url, mms_proxy and mms_port.
    """
    change_apn(db, **{**APN, **_checked_apn(apn_settings)})
    search_network(db)
    return _with_icons(db, f"APN settings set to: {device(db)['active_apn_settings']['apn_name']}")


@USER_TOOLS.write
def reset_apn_settings(db: Draft) -> str:
    """Reset the settings by which your phone reaches the data network, at the next restart."""
    change_apn(db, reset_at_reboot=True)
    search_network(db)
    return _with_icons(db, "APN settings will reset at reboot.")


@USER_TOOLS.read
def check_wifi_status(db: Draft) -> str:
    """Look up whether Wi-Fi is on, and the network that you are in."""
    phone = device(db)
    if not phone["wifi_enabled"]:
        return "Wi-Fi is turned OFF."
    if not phone["wifi_connected"]:
        return "Wi-Fi is ON but not connected to any network."
    strength = phone["wifi_signal_strength"]
    return f"Wi-Fi is ON and connected to '{phone['wifi_ssid']}'. Signal strength: {strength}."


@USER_TOOLS.write
def toggle_wifi(db: Draft) -> str:
    """Turn Wi-Fi on, or off if it is on."""
    phone = device(db)
    if phone["airplane_mode"]:
        return _with_icons(db, "Cannot change Wi-Fi settings while Airplane Mode is ON.")
    if phone["wifi_enabled"]:
        change(db, wifi_connected=False, wifi_ssid=None, wifi_signal_strength="none")
    return _toggled(db, "wifi_enabled", "Wi-Fi")


@USER_TOOLS.read
def check_wifi_calling_status(db: Draft) -> str:
    """Look up whether calls go over Wi-Fi."""
    return f"Wi-Fi Calling is currently turned {_on(device(db)['wifi_calling_enabled'])}."


@USER_TOOLS.write
def toggle_wifi_calling(db: Draft) -> str:
    """Turn calling over Wi-Fi on, or off if it is on."""
    return _toggled(db, "wifi_calling_enabled", "Wi-Fi Calling")


@USER_TOOLS.read
def check_vpn_status(db: Draft) -> str:
    """Look up whether you use a VPN."""
    phone = device(db)
    if not phone["vpn_connected"]:
        idle = phone["vpn_enabled_setting"]
        return "VPN is turned ON in settings, but currently not connected." if idle else "VPN is turned OFF."
    details = phone["vpn_details"]
    if not details:
        return "VPN is ON and connected (no specific details available)."
    level = details["server_performance"]
    shown = ", ".join(  # as Python prints tau2's model, whose level is a member of an enumeration
        (
            f"'server_address': {details['server_address']!r}",
            f"'protocol': {details['protocol']!r}",
            f"'server_performance': <PerformanceLevel.{level.upper()}: {level!r}>",
        )
    )
    return f"VPN is ON and connected. Details: {{{shown}}}"


@USER_TOOLS.write
def connect_vpn(db: Draft) -> str:
    """Connect to your VPN."""
    return _with_icons(db, "VPN connected successfully.") if connect(db) else "VPN already connected."


@USER_TOOLS.write
def disconnect_vpn(db: Draft) -> str:
    """Disconnect from your VPN."""
    dropped = drop_vpn(db)
    return _with_icons(db, "VPN disconnected successfully." if dropped else "No active VPN connection to disconnect.")


@USER_TOOLS.read
def check_installed_apps(db: Draft) -> str:
    """Look up which apps your phone has."""
    return f"The following apps are installed on the phone: {', '.join(device(db)['app_statuses'])}"


@USER_TOOLS.read
def check_app_status(db: Draft, app_name: str) -> str:
    """Look up an app and its permissions.

    Args:
        app_name: The app, such as messaging.
    """
    allowed = _allowed(db, app_name)
    if allowed is None:
        return f"App '{app_name}' not found on this phone."
    granted = [" - Permissions Granted:", *(f"   - {name}" for name in allowed)]
    return "\n".join((f"Status for App: {app_name}", *(granted if allowed else (" - Permissions: None granted.",))))


@USER_TOOLS.read
def check_app_permissions(db: Draft, app_name: str) -> str:
    """Look up what an app may do.

    Args:
        app_name: The app, such as messaging.
    """
    allowed = _allowed(db, app_name)
    if allowed is None:
        return f"App '{app_name}' not found on this phone."
    if not allowed:
        return f"App '{app_name}' currently has no permissions granted."
    return f"App '{app_name}' has permission for: {', '.join(allowed)}."


@USER_TOOLS.write
def grant_app_permission(db: Draft, app_name: str, permission: str) -> str:
    """Let an app do something.

    Args:
        app_name: The app, such as messaging.
        permission: sms, storage, phone or network.
    """
    permission = permission.lower()
    app = device(db)["app_statuses"].get(app_name)
    if app is None:
        return _with_icons(db, f"Error. App '{app_name}' not found. Cannot grant permission.")
    tracked = list(app["permissions"])
    if permission not in tracked:
        return _with_icons(
            db,
            f"Error. Permission '{permission}' not tracked for app '{app_name}', available permissions: {tracked}",
        )
    permit(db, app_name, permission, True)
    return _with_icons(db, f"Success. Permission '{permission}' granted to app '{app_name}'.")


@USER_TOOLS.read
def can_send_mms(db: Draft) -> str:
    """Look up whether your messaging app can send pictures."""
    return f"Your messaging app {'can' if mms_works(db) else 'cannot'} send MMS messages."


@USER_TOOLS.write
def reboot_device(db: Draft) -> str:
    """Restart your phone."""
    said = ["Restarting network services..."]
    if device(db)["active_apn_settings"]["reset_at_reboot"]:
        said.insert(0, "Resetting APN settings...")
        change_apn(db, **APN)
    search_network(db)
    return _with_icons(db, "\n".join(said))


@USER_TOOLS.read
def check_payment_request(db: Draft) -> str:
    """Look up whether you were asked to pay a bill."""
    request = surroundings(db)["payment_request"]
    if request is None:
        return "No payment request has been made."
    return f"You have a payment request for bill {request['bill_id']} of {request['amount_due']} USD."


@USER_TOOLS.write
def make_payment(db: Draft) -> str:
    """Pay the bill that you were asked to pay."""
    request = surroundings(db)["payment_request"]
    if request is None:
        return "You do not have a payment request."
    change_surroundings(db, payment_request={**request, "paid": True})
    return f"Payment of {request['amount_due']} USD has been made for bill {request['bill_id']}."


def _with_icons(db: Draft, sentence: str) -> str:
    return f"{sentence}\nStatus Bar: {status_bar(db)}"


def _toggled(db: Draft, field: str, name: str, *, searches: bool = False) -> str:
    on = not device(db)[field]
    change(db, **{field: on})
    if searches:
        search_network(db)
    return _with_icons(db, f"{name} is now {_on(on)}.")


def _allowed(db: Draft, app_name: str) -> list[str] | None:
    """What an app may do; None where there is no such app."""
    app = device(db)["app_statuses"].get(app_name)
    return None if app is None else [name for name, allowed in app["permissions"].items() if allowed]


def _checked_apn(given: Row) -> dict[str, Any]:
    """Settings that fit their model; all others are refused."""
    for name, value in given.items():
        kind = _APN_TYPES.get(name)
        if kind is None or not isinstance(value, kind) or (isinstance(value, bool) and name == "mms_port"):
            raise Refused(f"The APN settings have no {str(name)[:80]!r} like that; they have: {', '.join(_APN_TYPES)}.")
    if given.get("apn_name", "internet") not in ("internet", "broken"):
        raise Refused("The APN is called 'internet'.")
    return dict(given)


def _on(value: bool) -> str:
    return "ON" if value else "OFF"


def _yes(value: bool) -> str:
    return "Yes" if value else "No"


_APN_TYPES: dict[str, Any] = {
    "apn_name": str, "reset_at_reboot": bool, "mms_apn": str | None, "mmsc_url": str | None, "mms_proxy": str | None,
    "mms_port": int | None,
}  # fmt: skip
_SIM = {
    "active": "Your SIM card is active and working.",
    "missing": "No SIM card detected in the phone.",
    "locked_pin": "The SIM card is locked with a PIN code.",
    "locked_puk": "The SIM card is locked with a PUK code.",
}
_ADVICE = {
    "Very Poor": "Connection is very slow. Basic web browsing might be difficult.",
    "Poor": "Connection is slow. Web browsing may be sluggish, streaming difficult.",
    "Fair": "Connection is okay for web browsing and some standard definition streaming.",
    "Good": "Connection is good for most activities, including HD streaming.",
    "Excellent": "Connection is very fast.",
}

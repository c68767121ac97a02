"""How the tasks of tau2's telecom domain break the customer's phone, and what they assert of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from credit_gym.envs.tau2.database import Draft
from credit_gym.envs.tau2.phone import (
    change,
    change_apn,
    change_surroundings,
    connect_vpn,
    data_works,
    device,
    mms_works,
    permit,
    search_network,
    speed,
    surroundings,
    toggle_airplane,
)
from credit_gym.envs.tau2.toolkit import Refused


def set_user_info(db: Draft, name: str, phone_number: str) -> None:
    """Say who the customer is."""
    change_surroundings(db, name=name, phone_number=phone_number)


def set_user_location(db: Draft, abroad: bool) -> None:
    """Say whether the customer is abroad."""
    change_surroundings(db, is_abroad=abroad)


def turn_airplane_mode_on(db: Draft) -> str:
    """Turn airplane mode on, and have it lose what it loses even if it was."""
    if not toggle_airplane(db):
        toggle_airplane(db)
    return "Airplane Mode is now ON."


def turn_airplane_mode_off(db: Draft) -> str:
    """Turn airplane mode off."""
    if toggle_airplane(db):
        toggle_airplane(db)
    return "Airplane Mode is now OFF."


def unseat_sim_card(db: Draft) -> str:
    """Take the SIM card out."""
    change(db, sim_card_missing=True)
    search_network(db)
    return "SIM card un-seated successfully."


def lock_sim_card(db: Draft, mode: str) -> str:
    """Lock the SIM card; no tool unlocks it."""
    if mode in ("pin", "puk"):
        change(db, sim_card_status=f"locked_{mode}")
    search_network(db)
    return f"SIM card locked successfully in {mode} mode."


def turn_data_on(db: Draft) -> str:
    """Turn mobile data on."""
    change(db, data_enabled=True)
    return "Data connection restored."


def turn_data_off(db: Draft) -> str:
    """Turn mobile data off."""
    change(db, data_enabled=False)
    search_network(db)
    return "Data connection broken."


def turn_roaming_on(db: Draft) -> str:
    """Turn data roaming on."""
    change(db, roaming_enabled=True)
    search_network(db)
    return "Data Roaming is now ON."


def turn_roaming_off(db: Draft) -> str:
    """Turn data roaming off."""
    change(db, roaming_enabled=False)
    search_network(db)
    return "Data Roaming is now OFF."


def turn_data_saver_mode_on(db: Draft) -> str:
    """Turn data saver mode on."""
    change(db, data_saver_mode=True)
    return "Data Saver Mode is now ON."


def turn_data_saver_mode_off(db: Draft) -> str:
    """Turn data saver mode off."""
    change(db, data_saver_mode=False)
    return "Data Saver Mode is now OFF."


def break_apn_settings(db: Draft) -> str:
    """Spoil the settings by which the phone reaches the data network."""
    change_apn(db, apn_name="broken")
    search_network(db)
    return "APN settings broken. Please call reset_apn_settings() to fix."


def break_apn_mms_setting(db: Draft) -> str:
    """Spoil the settings by which the phone sends pictures."""
    change_apn(db, mmsc_url=None)
    return "APN MMS setting broken. Please call reset_apn_settings() to fix."


def set_wifi_calling(db: Draft, enabled: bool, mms_over_wifi: bool | None = None) -> str:
    """Turn calls over Wi-Fi on or off, and say whether pictures go there too."""
    change(db, wifi_calling_enabled=enabled)
    said = f"Wi-Fi Calling is now {'ON' if enabled else 'OFF'}."
    if mms_over_wifi is None:
        return said
    change(db, wifi_calling_mms_over_wifi=mms_over_wifi)
    return f"{said}\nMMS over Wi-Fi is now {'ON' if mms_over_wifi else 'OFF'}."


def break_vpn(db: Draft) -> str:
    """Connect a slow VPN."""
    connect_vpn(db)
    details = device(db)["vpn_details"]
    if details is None:
        raise Refused("The VPN is connected and has no details")
    change(db, vpn_details={**details, "server_performance": "poor"})
    return "VPN connection broken."


def remove_app_permission(db: Draft, app_name: str, permission: str) -> tuple[bool, str]:
    """Take a permission from an app."""
    app, permission = device(db)["app_statuses"].get(app_name), permission.lower()
    if app is None:
        return False, f"App '{app_name}' not found. Cannot remove permission."
    if permission not in app["permissions"]:
        return False, f"Permission '{permission}' not tracked for app '{app_name}'."
    permit(db, app_name, permission, False)
    return True, f"Permission '{permission}' removed from app '{app_name}'."


def assert_airplane_mode_status(db: Draft, expected_status: bool) -> bool:
    """Whether airplane mode is as expected."""
    return bool(device(db)["airplane_mode"] == expected_status)


def assert_service_status(db: Draft, expected_status: str) -> bool:
    """Whether the connection is as expected."""
    if expected_status not in ("connected", "searching", "no_service", "emergency_only"):
        raise Refused(f"{expected_status!r} is not a valid NetworkStatus")
    return bool(device(db)["network_connection_status"] == expected_status)


def assert_mobile_data_status(db: Draft, expected_status: bool) -> bool:
    """Whether mobile data works, or does not, as expected."""
    return data_works(db) == expected_status


def assert_mobile_roaming_status(db: Draft, expected_status: bool) -> bool:
    """Whether data roaming is as expected."""
    return bool(device(db)["roaming_enabled"] == expected_status)


def assert_mobile_data_saver_mode_status(db: Draft, expected_status: bool) -> bool:
    """Whether data saver mode is as expected."""
    return bool(device(db)["data_saver_mode"] == expected_status)


def assert_internet_speed(db: Draft, expected_speed: float, expected_desc: str | None = None) -> bool:
    """Whether mobile data is as fast as expected, and called so."""
    found, name = speed(db)
    named = expected_desc is None or name.lower() == expected_desc.lower()
    return (found or 0.0) >= expected_speed and named


def assert_internet_not_excellent(db: Draft) -> bool:
    """Whether mobile data is anything but excellent."""
    return speed(db)[1] != "Excellent"


def assert_can_send_mms(db: Draft, expected_status: bool) -> bool:
    """Whether pictures can be sent, or cannot, as expected."""
    return mms_works(db) == expected_status


def assert_mobile_data_usage_exceeded(db: Draft, expected_status: bool) -> bool:
    """Whether the data is used up, or not, as expected."""
    return bool(surroundings(db)["mobile_data_usage_exceeded"] == expected_status)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "simulate_network_search": search_network,
    **{function.__name__: function for function in (
        set_user_info, set_user_location, turn_airplane_mode_on, turn_airplane_mode_off, unseat_sim_card,
        lock_sim_card, turn_data_on, turn_data_off, turn_roaming_on, turn_roaming_off, turn_data_saver_mode_on,
        turn_data_saver_mode_off, break_apn_settings, break_apn_mms_setting, set_wifi_calling, break_vpn,
        remove_app_permission, assert_airplane_mode_status, assert_service_status, assert_mobile_data_status,
        assert_mobile_roaming_status, assert_mobile_data_saver_mode_status, assert_internet_speed,
        assert_internet_not_excellent, assert_can_send_mms, assert_mobile_data_usage_exceeded,
    )},
}  # fmt: skip
"""What tasks call beside the tools, by name."""

"""What an agent asks of a customer's phone, read from what it writes: names of tools, or plain English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from credit_gym.envs.tau2.actions import ToolCall, parse_action
from credit_gym.envs.tau2.database import Row
from credit_gym.envs.tau2.toolkit import Toolkit

_LONGEST = 10_000  # characters of a message that anybody reads
_MOST = 10  # things that anybody does at once


def requests_in(text: str, tools: Toolkit, phone: Row) -> tuple[ToolCall, ...]:
    """Return the calls by which a customer does what a message asks, in its order.

    A message that names tools asks for these, each once, with the arguments written behind it. Any other is read clause
    by clause: "turn off", "enable" and the like ask for a switch to be where it is said to be, and for nothing if it is
    there already; "check", "what" or a question ask to look, once.

    Args:
        text: what the agent wrote, of any length.
        tools: what the customer can do.
        phone: how it stands; of one that is not known, every switch is taken to stand wrong.
    """
    text = text[:_LONGEST]
    named = list(_named(text, tools))
    calls: list[ToolCall] = []
    for call in named or _described(text, dict(phone)):
        again = call in calls and (bool(named) or tools[call.name].kind == "read")
        if call.name in tools and not again:
            calls.append(call)
    return tuple(calls[:_MOST])


def asks_who(text: str) -> bool:
    """Whether a message asks who the customer is, or where."""
    return bool(_WHO.search(text[:_LONGEST]))


def asks_to_change_plan(text: str) -> bool:
    """Whether a message proposes another plan."""
    return bool(_PLAN.search(text[:_LONGEST]))


class _Switch(NamedTuple):
    """Something that is on or off."""

    words: re.Pattern[str]
    field: str
    look: str
    on: str
    off: str


def _named(text: str, tools: Toolkit) -> Iterator[ToolCall]:
    for match in re.finditer(rf"\b({'|'.join(map(re.escape, tools))})\b(\([^()\n]{{0,300}}\))?", text):
        read = parse_action(match[1] + (match[2] or "()"), tools)
        call = read if isinstance(read, ToolCall) else ToolCall(match[1], {})
        if tools[call.name].required <= call.arguments.keys():
            yield call._replace(requestor="user")
        else:
            yield from _with_arguments(call.name, text)


def _with_arguments(name: str, text: str) -> Iterator[ToolCall]:
    """Calls of a tool that was named without its arguments, which the text then has elsewhere."""
    if name == "grant_app_permission":
        yield from _grants(text.lower())
    elif name == "set_network_mode_preference":
        yield ToolCall(name, {"mode": _mode(text.lower())}, "user")
    elif name in ("check_app_permissions", "check_app_status"):
        yield ToolCall(name, {"app_name": _app(text.lower())}, "user")


def _described(text: str, phone: dict[str, Any]) -> Iterator[ToolCall]:
    """Calls that plain English asks for; switches that it moves are moved in ``phone``."""
    for sentence in _SENTENCE.findall(text.lower()):
        for clause in _CLAUSE.split(sentence):
            yield from _of_clause(clause, sentence.endswith("?"), phone)


def _of_clause(clause: str, question: bool, phone: dict[str, Any]) -> Iterator[ToolCall]:
    looks = question or bool(_LOOK.search(clause))
    switch = next((switch for switch in _SWITCHES if switch.words.search(clause)), None)
    if switch is not None:
        toggles, off = bool(_TOGGLE.search(clause)), bool(_OFF.search(clause))
        if toggles or off or _ON.search(clause):
            wanted = not phone.get(switch.field, False) if toggles else not off
            if phone.get(switch.field, not wanted) != wanted:
                phone[switch.field] = wanted
                yield ToolCall(switch.on if wanted else switch.off, {}, "user")
        elif looks:
            yield ToolCall(switch.look, {}, "user")
    elif _GRANT.search(clause):
        yield from _grants(clause)
    elif "permission" in clause and looks:
        yield ToolCall("check_app_permissions", {"app_name": _app(clause)}, "user")
    elif _PREFER.search(clause):
        if _CHANGE.search(clause):
            yield ToolCall("set_network_mode_preference", {"mode": _mode(clause)}, "user")
        elif looks:
            yield ToolCall("check_network_mode_preference", {}, "user")
    else:
        found = next((tool for words, tool in _DEEDS if words.search(clause)), None)
        found = found or next((tool for words, tool in _LOOKS if looks and words.search(clause)), None)
        if found is not None:
            yield ToolCall(found, {}, "user")


def _grants(text: str) -> Iterator[ToolCall]:
    for permission in _PERMISSIONS.findall(text):
        yield ToolCall("grant_app_permission", {"app_name": _app(text), "permission": permission}, "user")


def _app(text: str) -> str:
    return "browser" if "browser" in text else "messaging"


def _mode(text: str) -> str:
    return next((mode for words, mode in _MODES.items() if words in text), "4g_5g_preferred")


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b")


_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;\n]?")
_CLAUSE = re.compile(r",|\bthen\b|\band\b(?= (?:then|please|check|turn|switch|re|run|tell|make|enable|disable|grant))")
_LOOK = _words("check|look|tell|what|which|show|shows|verify|confirm|whether|see|run|try|test")
_TOGGLE = _words("toggle")
_OFF = _words(r"(?:turn|switch)\b[^.]{0,60}\boff|disable|deactivate|disconnect")
_ON = _words(r"(?:turn|switch|put)\b[^.]{0,60}\bon|enable|activate|re-enable|connect")
_CHANGE = _words("set|change|switch|choose|select")
_GRANT = _words(r"(?:grant|allow|give|enable)\b[^.]{0,80}\b(?:permissions?|access)")
_PERMISSIONS = _words("sms|storage|phone|network")
_PREFER = _words("network mode|preferred network|network preference|network type preference|[2345]g(?: only|/[2345]g)?")
_WHO = re.compile(
    r"\b(?:your (?:full )?name|phone number|who am i|identif\w+|verify your|your account"
    r"|abroad|travell?ing|locat\w+)\b",
    re.IGNORECASE,
)
_PLAN = re.compile(r"\b(?:change|switch|upgrade|another|different|new)\b[^.?]{0,60}\bplan\b", re.IGNORECASE)
_MODES = {"4g_only": "4g_only", "3g_only": "3g_only", "2g_only": "2g_only", "4g_5g": "4g_5g_preferred",
          "5g": "4g_5g_preferred", "4g only": "4g_only", "3g only": "3g_only", "2g only": "2g_only"}  # fmt: skip
_SWITCHES = (
    _Switch(_words("wi-?fi calling"), "wifi_calling_enabled", "check_wifi_calling_status",
            "toggle_wifi_calling", "toggle_wifi_calling"),
    _Switch(_words("wi-?fi"), "wifi_enabled", "check_wifi_status", "toggle_wifi", "toggle_wifi"),
    _Switch(_words("(?:air ?plane|flight)(?: mode)?"), "airplane_mode", "check_network_status",
            "toggle_airplane_mode", "toggle_airplane_mode"),
    _Switch(_words("data[ -]saver"), "data_saver_mode", "check_data_restriction_status",
            "toggle_data_saver_mode", "toggle_data_saver_mode"),
    _Switch(_words("roaming"), "roaming_enabled", "check_network_status", "toggle_roaming", "toggle_roaming"),
    _Switch(_words("vpn"), "vpn_connected", "check_vpn_status", "connect_vpn", "disconnect_vpn"),
    _Switch(_words("(?:mobile|cellular) data"), "data_enabled", "check_network_status", "toggle_data", "toggle_data"),
)  # fmt: skip
_DEEDS = (
    (_words("restart|reboot|power[- ]cycle"), "reboot_device"),
    (_words(r"(?:re-?seat|re-?insert|remove|take out)\b[^.]{0,60}\bsim"), "reseat_sim_card"),
    (_words(r"reset\b[^.]{0,60}\bapn"), "reset_apn_settings"),
    (_words(r"(?:make|complete|accept)\b[^.]{0,60}\bpayment|pay\b[^.]{0,60}\b(?:bill|it|request)"), "make_payment"),
)
_LOOKS = (
    (_words("payment request"), "check_payment_request"),
    (_words("speed test|speed"), "run_speed_test"),
    (_words("status bar"), "check_status_bar"),
    (_words("mms|picture messages?|pictures?"), "can_send_mms"),
    (_words("sim"), "check_sim_status"),
    (_words("apn|mmsc"), "check_apn_settings"),
    (_words("apps"), "check_installed_apps"),
    (_words("network status|signal|network type"), "check_network_status"),
)

"""The tools of tau2's mock domain: a list of tasks, and a customer who has notifications."""

# ruff: noqa: D417 - the first argument of every tool is the draft it works on; the rest is what an agent reads

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from credit_gym.envs.tau2.database import Draft, Row
from credit_gym.envs.tau2.lookup import find_row
from credit_gym.envs.tau2.toolkit import Toolkit

TOOLS = Toolkit()
USER_TOOLS = Toolkit()
NOTIFICATIONS = "user:notifications"


class Task(TypedDict):
    """A task as tau2 shows it."""

    task_id: str
    title: str
    description: str | None
    status: str


class User(TypedDict):
    """A user as tau2 shows one."""

    user_id: str
    name: str
    tasks: list[str]


class Notification(TypedDict):
    """A notification as tau2 shows it."""

    notification_id: str
    message: str
    status: str
    task_id: str | None


MODELS: Mapping[str, type] = {"tasks": Task, "users": User, NOTIFICATIONS: Notification}
"""Table -> what its rows look like."""


@TOOLS.write
def create_task(db: Draft, user_id: str, title: str, description: str | None = None) -> Row:
    """Create a new task for a user.

    Args:
        user_id: The user who gets the task.
        title: The title of the task.
        description: More about the task, if there is more to say.
    """
    user = _user(db, user_id)
    task_id = f"task_{sum(1 for _ in db.rows('tasks')) + 1}"
    db.put("users", user_id, {**user, "tasks": [*user["tasks"], task_id]})
    return db.put(
        "tasks", task_id, {"task_id": task_id, "title": title, "description": description, "status": "pending"}
    )


@TOOLS.read
def get_users(db: Draft) -> list[Row]:
    """Get all users of the database."""
    return [row for _, row in db.rows("users")]


@TOOLS.write
def update_task_status(db: Draft, task_id: str, status: Literal["pending", "completed"]) -> Row:
    """Update the status of a task.

    Args:
        task_id: The task to update.
        status: The new status.
    """
    return db.put("tasks", task_id, {**_task(db, task_id), "status": status})


@TOOLS.generic
def transfer_to_human_agents(db: Draft, summary: str) -> str:
    """Transfer the user to a human agent, when the tools cannot solve the problem or the user asks for a human.

    Args:
        summary: What the user wanted.
    """
    return "Transfer successful"


@USER_TOOLS.read
def check_notifications(db: Draft) -> list[Row]:
    """Look at your notifications."""
    return [row for _, row in db.rows(NOTIFICATIONS)]


@USER_TOOLS.write
def dismiss_notification(db: Draft, notification_id: str) -> Row:
    """Dismiss a notification.

    Args:
        notification_id: The notification to dismiss.
    """
    return db.put(NOTIFICATIONS, notification_id, {**_notification(db, notification_id), "status": "read"})


def add_notification(db: Draft, notification_id: str, message: str, task_id: str | None = None) -> Row:
    """Put a notification into the customer's inbox."""
    row = {"notification_id": notification_id, "message": message, "status": "unread", "task_id": task_id}
    return db.put(NOTIFICATIONS, notification_id, row)


def assert_task_status(db: Draft, task_id: str, expected_status: str) -> bool:
    """Whether a task has a status."""
    return bool(_task(db, task_id)["status"] == expected_status)


def assert_number_of_tasks(db: Draft, user_id: str, expected_number: int) -> bool:
    """Whether a user has so many tasks."""
    user = _user(db, user_id)
    return len(user["tasks"]) == expected_number


def assert_notification_status(db: Draft, notification_id: str, expected_status: str) -> bool:
    """Whether a notification has a status."""
    return bool(_notification(db, notification_id)["status"] == expected_status)


FUNCTIONS: dict[tuple[str, str], Any] = {
    ("assistant", "assert_task_status"): assert_task_status,
    ("assistant", "assert_number_of_tasks"): assert_number_of_tasks,
    ("user", "add_notification"): add_notification,
    ("user", "assert_notification_status"): assert_notification_status,
}


def _user(db: Draft, user_id: str) -> Row:
    return find_row(db, "users", user_id, f"User {user_id} not found")


def _task(db: Draft, task_id: str) -> Row:
    return find_row(db, "tasks", task_id, f"Task {task_id} not found")


def _notification(db: Draft, notification_id: str) -> Row:
    return find_row(db, NOTIFICATIONS, notification_id, f"Notification {notification_id} not found")

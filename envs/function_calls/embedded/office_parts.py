"""Parts of stories about tickets, messages and files."""

from __future__ import annotations

from collections.abc import Iterator

from credit_gym.envs.function_calls.embedded import words
from credit_gym.envs.function_calls.embedded.scene import GAP, Part, Request, Scene


def hand_over_a_ticket(scene: Scene) -> Iterator[Request | None]:
    """A ticket becomes urgent and somebody's; a like one of the same customer stays as it is."""
    fault, (place, elsewhere) = scene.fresh("fault"), scene.chance.sample(words.PLACES, 2)
    customer = scene.person()
    ticket = scene.ticket(f"The {fault} in {place}", customer)
    scene.ticket(f"The {fault} in {elsewhere}", customer)
    name, team, key = scene.colleague(contact=False)
    priority = scene.one_of(3, 4, 5)
    yield None
    scene.do("find_tickets", customer=customer)
    scene.do("set_ticket_priority", ticket_id=ticket, priority=priority)
    scene.do("assign_ticket", ticket_id=ticket, assignee=name)
    yield Request(
        scene.one_of(
            f"{customer} has told us that the {fault} in {place}. Find the ticket, set its priority to {GAP} and "
            f"assign it to {name}.",
            f"There is a ticket of {customer} that says that the {fault} in {place}. Give it priority {GAP}, and then "
            f"give it to {name}.",
        ),
        str(priority),
        "what I told you",
        f"The priority is {priority}.",
    )
    scene.do("find_people", name=name)
    scene.do("add_contact", person_id=key)
    scene.do("send_message", person_id=key, text=f"Ticket {ticket} is yours.")
    yield Request(
        scene.one_of(
            f'Let {name} from {team} know: send the message "Ticket 1 is yours.", with the number of the ticket of '
            f"{customer} in place of the 1.",
            f'Write to {name} in {team}, exactly "Ticket 1 is yours.", but with the number of the ticket of {customer} '
            "instead of 1.",
        )
    )
    remedy = scene.one_of("Part replaced.", "Cleaned and tested.", "Cable replaced.", "Software updated.")
    scene.do("close_ticket", ticket_id=ticket, resolution=remedy)
    yield Request(
        scene.one_of(
            f"Close the ticket of {customer} about {place}; the resolution is {GAP}",
            f"{name} is done with it: close {customer}'s ticket about {place} with the resolution {GAP}",
        ),
        f'"{remedy}"',
        "the usual one.",
        f'The resolution is "{remedy}"',
    )


def ticket_from_a_message(scene: Scene) -> Iterator[Request | None]:
    """Somebody has written about a fault; it becomes a ticket, and the writer is told its number."""
    fault, place = scene.fresh("fault"), scene.one_of(*words.PLACES)
    name, team, key = scene.colleague(contact=True)
    customer, priority = scene.person(), scene.one_of(2, 4, 5)
    title = f"The {fault} in {place}"
    first, second = sorted(scene.number(500, 690) for _ in range(2))
    scene.lay(
        "Messages",
        "messages",
        {
            str(first): {"sender": key, "receiver": "P100", "text": "Lunch at noon?"},
            str(second): {"sender": key, "receiver": "P100", "text": f"Title: {title}. Customer: {customer}."},
        },
    )
    scene.settle("Tickets", next_ticket=scene.number(860, 950))
    yield None
    scene.do("find_people", name=name)
    scene.do("read_messages", person_id=key)
    ticket = scene.do("open_ticket", title=title, customer=customer, priority=priority)["ticket_id"]
    yield Request(
        scene.one_of(
            f"{name} from {team} has sent me a title and a customer for a new ticket. Open it, with priority {GAP}.",
            f"Look up what {name} in {team} wrote to me: a title and a customer. Open a ticket for that with priority "
            f"{GAP}.",
        ),
        str(priority),
        "as we agreed",
        f"We agreed on priority {priority}.",
    )
    scene.do("send_message", person_id=key, text=f"Your ticket is {ticket}.")
    yield Request(
        scene.one_of(
            f'Answer {name} with exactly "Your ticket is 1.", but with the number of the new ticket.',
            f'Tell {name} the number of that ticket, in the form "Your ticket is 1."',
        )
    )


def reopen_a_ticket(scene: Scene) -> Iterator[Request | None]:
    """A fault is back: of two closed tickets the right one is opened again and gets a note."""
    (fault, other), place = (scene.fresh("fault") for _ in range(2)), scene.one_of(*words.PLACES)
    customer, helper = scene.person(), scene.person()
    closed = {"status": "closed", "resolution": "Done."}
    ticket = scene.ticket(f"The {fault} in {place}", customer, **closed)
    scene.ticket(f"The {other} in {place}", customer, **closed)
    note = f"Back since {scene.one_of('Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday')}."
    yield None
    scene.do("find_tickets", customer=customer)
    scene.do("reopen_ticket", ticket_id=ticket)
    scene.do("add_note", ticket_id=ticket, note=note)
    yield Request(
        scene.one_of(
            f"{customer} says that the {fault} in {place} once more. Open the old ticket about that again and add the "
            f"note {GAP}",
            f"The {fault} in {place} again, says {customer}. Look through {customer}'s tickets, reopen the one about "
            f"it, and then add a note: {GAP}",
        ),
        f'"{note}"',
        "the one about when it came back.",
        f'The note is "{note}"',
    )
    scene.do("assign_ticket", ticket_id=ticket, assignee=helper)
    yield Request(
        scene.one_of(f"Assign the reopened ticket to {GAP}.", f"Give the ticket that you have reopened to {GAP}."),
        helper,
        "the one who is on duty",
        f"{helper} is on duty.",
    )


def tidy_up(scene: Scene) -> Iterator[Request | None]:
    """A file goes into a new folder and its draft away; then a file says how long it is."""
    folder, target, subject = scene.fresh("folder"), f"done_{scene.number(100, 499)}", scene.fresh("subject")
    lines = scene.chance.randint(3, 9)
    text = "\n".join(f"{subject.title()}, point {n + 1}" for n in range(lines))
    path = scene.file(folder, f"{subject}_final.txt", text)
    draft = scene.file(folder, f"{subject}_draft.txt", f"{subject.title()}, unsorted")
    scene.file(folder, f"{subject}_draft_signed.txt", f"{subject.title()}, signed")
    yield None
    scene.do("make_folder", folder=target)
    scene.do("move_file", source=path, destination=f"{target}/{subject}_final.txt")
    scene.do("delete_file", path=draft)
    yield Request(
        scene.one_of(
            f"Make a folder {GAP}, move {path} into it under the same name, and then delete {draft}.",
            f"I want to tidy up: create a folder {GAP}, put {path} there without renaming it, and throw {draft} away.",
        ),
        f'"{target}"',
        "with the name we always take",
        f'The name of the folder is "{target}".',
    )
    count = scene.do("count_lines", path=f"{target}/{subject}_final.txt")["lines"]
    scene.do("create_file", path=f"{target}/{subject}_length.txt", text=f"{count} lines")
    yield Request(
        scene.one_of(
            f'Count the lines of the moved file and create {target}/{subject}_length.txt with the text "1 lines", but '
            "with the right number.",
            f"How many lines does {subject}_final.txt have? Create {target}/{subject}_length.txt that says so in the "
            'form "1 lines".',
        )
    )


def send_the_mean(scene: Scene) -> Iterator[Request | None]:
    """Figures in one of two like files are averaged, and somebody is sent the mean."""
    folder, subject = scene.fresh("folder"), scene.fresh("subject")
    figures, others = (scene.chance.choices(range(20, 400), k=4) for _ in range(2))
    path = scene.file(folder, f"{subject}_figures.txt", "\n".join(map(str, figures)))
    scene.file(folder, f"{subject}_figures_2.txt", "\n".join(map(str, others)))
    name, team, key = scene.colleague(contact=scene.one_of(True, False))
    scene.use("Calculator")
    known = key in scene.world["Messages"]["contacts"]
    yield None
    scene.do("read_file", path=path)
    mean = scene.do("mean", numbers=figures)["result"]
    scene.do("find_people", name=name)
    if not known:
        scene.do("add_contact", person_id=key)
    scene.do("send_message", person_id=key, text=f"Mean: {mean:.2f}")
    yield Request(
        scene.one_of(
            f"Let the calculator take the mean of the figures in {GAP}, and send it to {name} from {team}, with two "
            'decimals, as in "Mean: 1.00".',
            f"{name} in {team} needs the mean of the figures in {GAP}, from the calculator. Send it as "
            'a message of the form "Mean: 1.00", with two decimals.',
        ),
        path,
        "one of my files",
        f"The figures are in {path}.",
    )
    scene.do("create_file", path=f"{folder}/{subject}_mean.txt", text=f"{mean:.2f}")
    yield Request(
        scene.one_of(
            f"Keep the mean, too: create the file {folder}/{subject}_mean.txt with nothing but it, again with "
            "two decimals.",
            f"Write the mean that you have sent, just the number with its two decimals, into a new file "
            f"{folder}/{subject}_mean.txt.",
        )
    )


OFFICE_PARTS: tuple[Part, ...] = (hand_over_a_ticket, ticket_from_a_message, reopen_a_ticket, tidy_up, send_the_mean)

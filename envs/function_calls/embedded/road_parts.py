"""Parts of stories about flights and the car."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from credit_gym.envs.function_calls.embedded.car import DOORS, TYRES
from credit_gym.envs.function_calls.embedded.scene import GAP, Part, Request, Scene


def fly_as_planned(scene: Scene) -> Iterator[Request | None]:
    """A file says where and when; a flight is booked, extended and cancelled."""
    (origin, start), (destination, end), (elsewhere, _) = (scene.airport() for _ in range(3))
    cards = scene.cards()
    date = f"2027-{scene.chance.randint(1, 12):02d}-{scene.chance.randint(1, 28):02d}"
    flights = scene.flights(start, end, date, 3)
    scene.flights(end, start, date, 2)
    folder, traveller = scene.fresh("folder"), scene.person()
    stem = traveller.split()[0].lower()
    path = scene.file(folder, f"trip_{stem}.txt", f"From: {origin}\nTo: {destination}\nDate: {date}")
    scene.file(folder, f"trip_{stem}_draft.txt", f"From: {origin}\nTo: {elsewhere}\nDate: {date}")
    card, bags = scene.one_of(*cards), scene.chance.randint(1, 3)
    yield None
    scene.do("read_file", path=path)
    scene.do("find_airports", city=origin)
    scene.do("find_airports", city=destination)
    scene.do("search_flights", origin=start, destination=end, date=date)
    scene.look("list_cards")
    cheapest = min(flights, key=flights.__getitem__)
    booking = scene.do("book_flight", flight=cheapest, card_id=cards[card], traveller=traveller)["booking_id"]
    yield Request(
        scene.one_of(
            f"Book one seat on the cheapest flight for the trip in {path}, for {traveller}, and pay with {GAP}.",
            f"{traveller} is to travel as it says in {path}. Book the cheapest flight, one seat, with {GAP}.",
        ),
        f'the card "{card}"',
        "one of my cards",
        f'Pay with the card "{card}".',
    )
    scene.do("add_bags", booking_id=booking, bags=bags)
    scene.do("insure_booking", booking_id=booking, cover="full")
    yield Request(
        scene.one_of(
            f"Add {GAP} to {traveller}'s booking and insure it with full cover.",
            f"{traveller} takes luggage: {GAP}. Add that to the booking, and then the full insurance.",
        ),
        f"{bags} bag{'s' * (bags > 1)}",
        "the usual luggage",
        f"It is {bags} bag{'s' * (bags > 1)}.",
    )
    refund = scene.do("cancel_booking", booking_id=booking)["refund"]
    scene.do("append_line", path=path, line=f"Refund: {refund:.2f}")
    yield Request(
        scene.one_of(
            f"{traveller} cannot travel. Cancel the booking, and add a line to {path} with what comes back, in the "
            'form "Refund: 1.00".',
            f"Cancel the flight of {traveller}, then write what was refunded as a last line into {path}, as in "
            '"Refund: 1.00".',
        )
    )


def fly_later(scene: Scene) -> Iterator[Request | None]:
    """One of two bookings of the same traveller is replaced by seats on another flight."""
    (origin, start), (destination, end) = scene.airport(), scene.airport()
    cards = scene.cards()
    card = scene.one_of(*cards)
    day = scene.chance.randint(1, 27)
    month = scene.chance.randint(1, 12)
    date, next_day = (f"2027-{month:02d}-{each:02d}" for each in (day, day + 1))
    old, new = scene.flights(start, end, date, 2), scene.flights(start, end, next_day, 3)
    traveller = scene.person()
    seats, others = scene.chance.sample(range(1, 5), 2)
    for flight, count in zip(old, scene.chance.sample((seats, others), 2), strict=True):
        booking = {
            "flight": flight, "card": cards[card], "traveller": traveller, "seats": count, "bags": 0, "cover": None,
            "paid": old[flight] * count, "status": "booked",
        }  # fmt: skip
        scene.lay("Trips", "bookings", {str(scene.number(3500, 3990)): booking})
        if count == seats:
            number = int(next(reversed(scene.world["Trips"]["bookings"])))
    yield None
    scene.do("list_bookings")
    scene.do("cancel_booking", booking_id=number)
    plural = f"{seats} seat{'s' * (seats > 1)}"
    yield Request(
        scene.one_of(
            f"{traveller} has two bookings. Cancel the one for {GAP}.",
            f"Of the two bookings of {traveller}, please cancel the one that has {GAP}.",
        ),
        plural,
        "the seats that are not needed",
        f"The one with {plural} is not needed.",
    )
    scene.do("find_airports", city=origin)
    scene.do("find_airports", city=destination)
    scene.do("search_flights", origin=start, destination=end, date=next_day)
    scene.look("list_cards")
    dearest = max(new, key=new.__getitem__)
    made = scene.do("book_flight", flight=dearest, card_id=cards[card], traveller=traveller, seats=seats)["booking_id"]
    yield Request(
        scene.one_of(
            f"Now book {plural} from {origin} to {destination} on {GAP} for {traveller}, on the flight with the "
            f'highest fare, with the card "{card}".',
            f'With the card "{card}", book {plural} for {traveller} from {origin} to {destination} on {GAP}. Take the '
            "most expensive flight.",
        ),
        next_day,
        "the other day",
        f"The day is {next_day}.",
    )
    scene.do("insure_booking", booking_id=made, cover="basic")
    yield Request(
        scene.one_of(
            f"Insure the new booking of {traveller} with {GAP} cover.",
            f"The new booking of {traveller} needs insurance: {GAP} cover, please.",
        ),
        "basic",
        "the right",
        "I want the basic cover.",
    )


def drive(scene: Scene) -> Iterator[Request | None]:
    """The car is filled up or its tyres are seen to, started, driven and parked; each control needs others first."""
    unlocked = sorted(scene.chance.sample(DOORS, scene.chance.randint(1, 3)), key=DOORS.index)
    city, degrees = scene.fresh("city"), scene.chance.randint(34, 52) / 2
    soft = sorted(scene.chance.sample(TYRES, scene.chance.randint(1, 3)), key=TYRES.index)
    scene.settle(
        "Car",
        doors=dict.fromkeys(unlocked, False),
        parking_brake=False,
        cabin=16.5,
        fuel=scene.chance.randint(10, 60) / 2,
        tyres={tyre: scene.one_of(1.7, 1.8, 1.9, 2.0) for tyre in soft},
        distances={city: float(scene.chance.randint(40, 420)), scene.fresh("city"): 77.0},
    )
    opening = scene.one_of(_fill_up, _pump_up)
    if opening is _fill_up:
        scene.use("Calculator")
    yield None
    yield opening(scene, soft)
    scene.look("get_car_status")
    scene.do("lock_doors", doors=unlocked)
    scene.do("press_brake")
    scene.do("start_engine")
    yield Request(
        scene.one_of(
            "Look at the status of the car, and then start the engine, with everything that has to be done for it.",
            "Check how the car stands and get it running; do what it takes and nothing more.",
        )
    )
    scene.do("set_destination", city=city)
    scene.do("set_climate", celsius=degrees)
    scene.do("set_lights", mode="low")
    yield Request(
        scene.one_of(
            f"Set the navigation to {city}, the cabin to {GAP} and the headlights to low.",
            f"We are going to {city}: set it in the navigation, bring the cabin to {GAP} and switch the headlights to "
            "low, but leave the brake alone.",
        ),
        f"{degrees:g} degrees",
        "the temperature that I like",
        f"I like {degrees:g} degrees.",
    )
    door = scene.one_of(*DOORS)
    scene.do("set_parking_brake", on=True)
    scene.do("stop_engine")
    scene.do("unlock_doors", doors=[door])
    yield Request(
        scene.one_of(
            f"We have arrived: park, that is, stop the engine, and unlock {GAP}, no other.",
            f"Stop the engine, with what that needs first, and then unlock just {GAP}.",
        ),
        f"the {door.replace('_', ' ')} door",
        "the door that I need",
        f"I need the {door.replace('_', ' ')} door.",
    )


def _fill_up(scene: Scene, soft: Sequence[str]) -> Request:
    gallons = scene.chance.randint(2, 7)
    litres = scene.do("convert", value=gallons, source="gallon", target="litre")["result"]
    scene.do("add_fuel", litres=litres)
    return Request(
        scene.one_of(
            f"Fill {GAP} of fuel into the tank, after the calculator has made litres of them.",
            f"The tank gets {GAP} of fuel; the pump counts litres, so convert that with the calculator first.",
        ),
        f"{gallons} gallons",
        "some gallons",
        f"I want {gallons} gallons.",
    )


def _pump_up(scene: Scene, soft: Sequence[str]) -> Request:
    scene.do("check_tyres")
    for tyre in soft:
        scene.do("inflate_tyre", tyre=tyre, bar=2.5)
    return Request(
        scene.one_of(
            f"Check the tyres, and bring every one that has less than 2.2 bar to {GAP}.",
            f"Some tyres may be soft. Whatever has less than 2.2 bar is to be inflated to {GAP}.",
        ),
        "2.5 bar",
        "the pressure in the handbook",
        "The handbook says 2.5 bar.",
    )


ROAD_PARTS: tuple[Part, ...] = (fly_as_planned, fly_later, drive)

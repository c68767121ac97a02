"""The controls of a car, some of which have to be in place before others work."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from credit_gym.envs.function_calls.embedded import words
from credit_gym.envs.function_calls.embedded.back_end import Answer, BackEnd, between, changes, put, reads
from credit_gym.envs.tool_arguments import Refused

Door = Literal["driver", "passenger", "rear_left", "rear_right"]
Tyre = Literal["front_left", "front_right", "rear_left", "rear_right"]

DOORS: tuple[Door, ...] = ("driver", "passenger", "rear_left", "rear_right")
TYRES: tuple[Tyre, ...] = ("front_left", "front_right", "rear_left", "rear_right")


class Car(BackEnd):
    """A car. The engine starts when every door is locked, the brake is pressed and there is fuel.

    Attributes:
        doors: door -> whether it is locked.
        engine: whether it runs.
        brake_pressed: whether the brake is pressed.
        parking_brake: whether it is set.
        fuel: litres in the tank.
        tank: litres that it holds.
        lights: ``off``, ``low`` or ``high``.
        cabin: degrees Celsius that the climate control is set to.
        tyres: tyre -> pressure in bar.
        destination: where the navigation leads, None for nowhere.
        distances: city -> kilometres to it.
    """

    doors: Mapping[str, bool]
    engine: bool
    brake_pressed: bool
    parking_brake: bool
    fuel: float
    tank: float
    lights: str
    cabin: float
    tyres: Mapping[str, float]
    destination: str | None
    distances: Mapping[str, float]

    def load(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:
        """See :class:`BackEnd`."""
        self.doors = {**dict.fromkeys(DOORS, True), **scenario.get("doors", {})}
        self.engine = scenario.get("engine", False)
        self.brake_pressed = scenario.get("brake_pressed", False)
        self.parking_brake = scenario.get("parking_brake", True)
        self.fuel = scenario.get("fuel", 20.0)
        self.tank = scenario.get("tank", 60.0)
        self.lights = scenario.get("lights", "off")
        self.cabin = scenario.get("cabin", 20.0)
        self.tyres = {**dict.fromkeys(TYRES, 2.4), **scenario.get("tyres", {})}
        self.destination = scenario.get("destination")
        self.distances = {**(_map() if long_context else {}), **scenario.get("distances", {})}

    @reads
    def get_car_status(self) -> Answer:
        """Look at doors, engine, brakes, fuel, lights, climate control and navigation."""
        return {
            "doors_locked": self.doors,
            "engine_runs": self.engine,
            "brake_pressed": self.brake_pressed,
            "parking_brake_set": self.parking_brake,
            "fuel_litres": self.fuel,
            "tank_litres": self.tank,
            "lights": self.lights,
            "cabin_celsius": self.cabin,
            "destination": self.destination,
        }

    @reads
    def check_tyres(self) -> Answer:
        """Measure the pressure of each tyre in bar."""
        return {"bar": self.tyres}

    @reads
    def get_distance(self, city: str) -> Answer:
        """Get the distance to a city in kilometres.

        Args:
            city: The name of the city.
        """
        if city not in self.distances:
            raise Refused("The map has no city of that name.")
        return {"kilometres": self.distances[city]}

    @changes
    def lock_doors(self, doors: list[Door]) -> Answer:
        """Lock doors.

        Args:
            doors: Which ones.
        """
        return self._turned(doors, locked=True)

    @changes
    def unlock_doors(self, doors: list[Door]) -> Answer:
        """Unlock doors; only while the engine is off.

        Args:
            doors: Which ones.
        """
        if self.engine:
            raise Refused("The doors stay locked while the engine runs; stop it first.")
        return self._turned(doors, locked=False)

    @changes
    def press_brake(self) -> Answer:
        """Press the brake pedal and keep it pressed."""
        self.brake_pressed = True
        return {"brake_pressed": True}

    @changes
    def release_brake(self) -> Answer:
        """Release the brake pedal."""
        self.brake_pressed = False
        return {"brake_pressed": False}

    @changes
    def set_parking_brake(self, on: bool) -> Answer:
        """Set or release the parking brake; it is released only while the engine runs.

        Args:
            on: Whether it is set.
        """
        if not on and not self.engine:
            raise Refused("The parking brake is released only while the engine runs; start it first.")
        self.parking_brake = on
        return {"parking_brake_set": on}

    @changes
    def start_engine(self) -> Answer:
        """Start the engine; every door must be locked, the brake pressed and some fuel in the tank."""
        open_doors = [door for door, locked in self.doors.items() if not locked]
        if open_doors:
            raise Refused(f"The engine does not start: lock the doors {', '.join(open_doors)} first.")
        if not self.brake_pressed or self.fuel <= 0:
            raise Refused("The engine does not start: the brake must be pressed and some fuel in the tank.")
        self.engine = True
        return {"engine_runs": True}

    @changes
    def stop_engine(self) -> Answer:
        """Stop the engine; the parking brake must be set."""
        if not self.parking_brake:
            raise Refused("The engine does not stop: set the parking brake first.")
        self.engine = False
        return {"engine_runs": False}

    @changes
    def add_fuel(self, litres: float) -> Answer:
        """Fill fuel into the tank; only while the engine is off.

        Args:
            litres: How much, exact to a tenth.
        """
        if self.engine:
            raise Refused("Stop the engine before fuel is filled in.")
        added = round(float(between(litres, 0.1, 500.0, "fuel in litres")), 1)
        total = round(self.fuel + added, 1)
        if total > self.tank:
            raise Refused(f"The tank holds {self.tank} litres and has {self.fuel}.")
        self.fuel = total
        return {"fuel_litres": total}

    @changes
    def set_lights(self, mode: Literal["off", "low", "high"]) -> Answer:
        """Switch the headlights.

        Args:
            mode: How they are to shine.
        """
        self.lights = mode
        return {"lights": mode}

    @changes
    def set_climate(self, celsius: float) -> Answer:
        """Set the temperature of the cabin.

        Args:
            celsius: From 16 to 28 degrees.
        """
        self.cabin = round(float(between(celsius, 16.0, 28.0, "temperature")), 1)
        return {"cabin_celsius": self.cabin}

    @changes
    def inflate_tyre(self, tyre: Tyre, bar: float) -> Answer:
        """Bring a tyre to a pressure.

        Args:
            tyre: Which one.
            bar: The pressure that it is to have, from 1.5 to 3.5.
        """
        self.tyres = put(self.tyres, tyre, round(float(between(bar, 1.5, 3.5, "pressure")), 2))
        return {"tyre": tyre, "bar": self.tyres[tyre]}

    @changes
    def set_destination(self, city: str) -> Answer:
        """Set where the navigation leads; it works only while the engine runs.

        Args:
            city: The name of the city.
        """
        if not self.engine:
            raise Refused("The navigation is off; start the engine first.")
        if city not in self.distances:
            raise Refused("The map has no city of that name.")
        self.destination = city
        return {"destination": city}

    def _turned(self, doors: list[Door], *, locked: bool) -> Answer:
        if not doors:
            raise Refused("Say which doors.")
        self.doors = {**self.doors, **dict.fromkeys(doors, locked)}
        return {"doors_locked": self.doors}


@cache
def _map() -> Mapping[str, float]:
    """Places that nobody drives to."""
    names = [f"{one}{other}" for one in words.VILLAGE_FIRST for other in words.VILLAGE_LAST]
    return {name: float(9 + 13 * n % 640) for n, name in enumerate(names)}

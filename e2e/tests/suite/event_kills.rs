//! SIGKILL at every boundary of an event's way, of every program that has a part in it: whatever
//! was answered 2xx ends settled and the count is Stripe's, with nobody's help.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{Line, Purchase, Shim, World};
use stack::{Session, deadline, scratch};

/// Where the event is stopped.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the shim, at a hold point.
    Shim(&'static str),
    /// In the worker, at a hold point.
    Worker(&'static str),
    /// At Stripe, `before` or `after` it has its answer to the read.
    Read(&'static str),
    /// At the write, which waits for a lock of the test's.
    Write,
}

/// In the order of an event's way: insert, ack, dispatch, Stripe's read, write.
const PLACES: [Place; 10] = [
    Place::Shim("before:insert"),
    Place::Shim("after:insert"),
    Place::Shim("after:ack"),
    Place::Shim("before:dispatch"),
    Place::Shim("after:dispatch"),
    Place::Worker("before:syncSubscription"),
    Place::Read("before"),
    Place::Read("after"),
    Place::Write,
    Place::Worker("after:syncSubscription"),
];

#[derive(Clone, Copy, Debug)]
enum Victim {
    Shim,
    Worker,
    Temporal,
    Postgres,
}

/// A world with an onboarded purchase, a line to it, and how many licences were bought last.
struct Scene {
    world: World,
    line: Line,
    purchase: Purchase,
    quantity: i64,
}

/// What stops the event, until it is let go on.
enum Stop {
    Hold(PathBuf),
    Answer(String),
    Lock(Session),
}

#[test]
fn of_the_shim_and_of_the_worker() -> Result<()> {
    // Side by side: nearly all of the time goes into waiting for dead attempts to time out.
    std::thread::scope(|scope| {
        let sweeps: Vec<_> =
            PLACES.into_iter().enumerate().map(|(n, place)| scope.spawn(move || beside(n, place))).collect();
        sweeps.into_iter().try_for_each(|sweep| sweep.join().expect("a sweep panicked"))
    })
}

fn beside(n: usize, place: Place) -> Result<()> {
    let mut scene = Scene::set(World::named(&format!("event-kill-{n}")).without_worker()?)?;
    scene.survive(Victim::Shim, place)?;
    scene.survive(Victim::Worker, place)
}

#[test]
fn of_temporal() -> Result<()> {
    let mut scene = Scene::set(World::named("event-kill-temporal").private_temporal().without_worker()?)?;
    PLACES.into_iter().try_for_each(|place| scene.survive(Victim::Temporal, place))
}

#[test]
fn of_postgres() -> Result<()> {
    let mut scene = Scene::set(World::named("event-kill-postgres").private_postgres().without_worker()?)?;
    PLACES.into_iter().try_for_each(|place| scene.survive(Victim::Postgres, place))
}

impl Scene {
    fn set(world: World) -> Result<Self> {
        world.start_worker(&[])?;
        let purchase = world.stripe.buy(10)?;
        world.onboard(&purchase)?.result()?;
        world.stop_worker()?;
        let line = world.line(None)?;
        Ok(Self { world, line, quantity: purchase.quantity, purchase })
    }

    fn survive(&mut self, victim: Victim, place: Place) -> Result<()> {
        self.quantity += 1;
        self.kill(victim, place).with_context(|| format!("{victim:?} killed at {place:?}"))
    }

    fn kill(&self, victim: Victim, place: Place) -> Result<()> {
        let folder = scratch::folder(&format!("{}-{}", self.world.task_queue(), self.quantity))?;
        let held_in = folder.to_str().context("a path")?;
        // An empty setting is none.
        let settings = |place: Option<&'static str>| {
            [("TENANTRY_HOLD_DIR", held_in), ("TENANTRY_HOLD_AT", place.unwrap_or_default())]
        };
        let (at_shim, at_worker) = place.hold_points();
        self.world.start_worker(&settings(at_worker))?;
        let mut shim = Some(self.world.start_shim_on(&self.line, &settings(at_shim))?);
        // Before that an event is left to the relay, and does not come by every place.
        shim.as_ref().context("a shim runs")?.wait_until_it_hands_over()?;
        let stop = self.change_and_stop(place, &folder)?;
        self.wait_until_stopped(&stop)?;
        self.replace(victim, &mut shim)?;
        stop.release(&self.world)?;
        self.world.wait_for_count(&self.purchase.customer, self.quantity)?;
        self.world.wait_until_settled()?;
        self.world.assert_accounted()?;
        shim.context("a shim runs")?.stop()?;
        self.world.stop_worker().map(drop)
    }

    /// Changes the quantity, and arranges that the event of it stops there.
    fn change_and_stop(&self, place: Place, folder: &Path) -> Result<Stop> {
        let (stripe, Purchase { customer, subscription, .. }) = (&self.world.stripe, &self.purchase);
        if let Place::Read(phase) = place {
            return Ok(Stop::Answer(stripe.set_quantity_and_hold(subscription, self.quantity, phase)?));
        }
        let stop = match place {
            Place::Shim(_) | Place::Worker(_) | Place::Read(_) => Stop::Hold(folder.to_owned()),
            Place::Write => {
                let mut session = self.world.session()?;
                session.run("BEGIN")?;
                session.run(&format!("SELECT pg_advisory_xact_lock(hashtextextended('{customer}', 0))"))?;
                Stop::Lock(session)
            }
        };
        stripe.set_quantity(subscription, self.quantity)?;
        Ok(stop)
    }

    fn wait_until_stopped(&self, stop: &Stop) -> Result<()> {
        match stop {
            Stop::Hold(folder) => deadline::poll("the event to be held", Duration::from_secs(60), || {
                Ok(fs::read_to_string(folder.join("held")).ok().filter(|place| !place.is_empty()).map(drop))
            }),
            Stop::Answer(hold) => self.world.stripe.wait_until_held(hold),
            Stop::Lock(_) => self.world.wait_for_lock_waiters(1),
        }
    }

    /// Kills it and starts it again.
    fn replace(&self, victim: Victim, shim: &mut Option<Shim>) -> Result<()> {
        match victim {
            Victim::Shim => {
                shim.take().context("a shim runs")?.kill()?;
                *shim = Some(self.world.start_shim_on(&self.line, &[])?);
                Ok(())
            }
            Victim::Worker => {
                self.world.kill_worker()?;
                self.world.start_worker(&[])
            }
            Victim::Temporal => {
                self.world.kill_temporal()?;
                self.world.start_temporal_again()
            }
            Victim::Postgres => {
                self.world.kill_postgres()?;
                self.world.start_postgres()
            }
        }
    }
}

impl Place {
    /// The hold point for the shim, and for the worker.
    fn hold_points(self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Self::Shim(place) => (Some(place), None),
            Self::Worker(place) => (None, Some(place)),
            Self::Read(_) | Self::Write => (None, None),
        }
    }
}

impl Stop {
    fn release(self, world: &World) -> Result<()> {
        match self {
            Self::Hold(folder) => Ok(fs::write(folder.join("released"), "")?),
            Self::Answer(hold) => world.stripe.release(&hold),
            // Postgres may have taken the lock with it.
            Self::Lock(session) => {
                drop(session);
                Ok(())
            }
        }
    }
}

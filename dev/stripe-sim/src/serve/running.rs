//! Starting a double and letting it go.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::app::App;
use super::listener::{Connection, ResettableListener};
use super::pace::Pace;
use super::state_file::StateFile;
use super::{admin, deliver, page, pipeline, state_file};
use crate::{Config, StandingWebhook};

/// A double that runs. It ends when this is dropped.
pub struct Running {
    base_url: String,
    app: Arc<App>,
    state: Option<Arc<StateFile>>,
    /// Its own, so that it works inside any other and ends with everything in it.
    runtime: Option<Runtime>,
}

/// Starts a double and returns once it listens.
///
/// # Errors
///
/// When the address cannot be listened on or is not loopback, when the state cannot be read, or when
/// the webhook has a URL or a secret that no webhook of Stripe's has.
pub fn start(config: Config) -> anyhow::Result<Running> {
    ensure!(
        config.allow_remote || config.listen.ip().is_loopback(),
        "{} is not loopback; allow it explicitly if that is meant",
        config.listen
    );
    config.webhook.as_ref().map_or(Ok(()), StandingWebhook::check)?;
    let mut world = state_file::load(&config)?;
    world.stand(config.webhook.as_ref());
    let app = App::new(world, config.retry_after, Pace::new(config.latency));
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("stripe-sim").enable_all().build()?;
    let socket = std::net::TcpListener::bind(config.listen).with_context(|| format!("listen on {}", config.listen))?;
    socket.set_nonblocking(true)?;
    let base_url = format!("http://{}", socket.local_addr()?);
    let listener = {
        let _inside = runtime.enter();
        ResettableListener(TcpListener::from_std(socket)?)
    };
    let service = router(app.clone()).into_make_service_with_connect_info::<Connection>();
    runtime.spawn(async move { axum::serve(listener, service).await });
    runtime.spawn(deliver::run(app.clone()));
    runtime.spawn(pass_time(app.clone()));
    let state = config.state.map(|path| Arc::new(StateFile::new(path)));
    if let Some(file) = state.clone() {
        runtime.spawn(state_file::run(app.clone(), file));
    }
    Ok(Running { base_url, app, state, runtime: Some(runtime) })
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .nest("/_sim", admin::router())
        .route("/c/pay/{id}", get(page::show).post(page::pay))
        .route("/", get(page::hello))
        .route("/healthz", get(page::hello))
        .fallback(pipeline::handle)
        .with_state(app)
}

/// Trials and periods end by themselves, not only when a test moves the clock.
async fn pass_time(app: Arc<App>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        app.with_world(crate::world::World::roll);
    }
}

impl Running {
    /// Where it listens, e.g. `http://127.0.0.1:12111`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Runs until SIGINT or SIGTERM, then keeps the state and ends.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    pub fn wait_for_signal(mut self) -> anyhow::Result<()> {
        if let Some(runtime) = self.runtime.take() {
            runtime.block_on(ended())?;
            // Before the last save: nothing may be answered that is not kept.
            runtime.shutdown_background();
        }
        self.keep_state()
    }

    fn keep_state(&self) -> anyhow::Result<()> {
        match &self.state {
            Some(file) => file.close(&self.app),
            None => Ok(()),
        }
    }
}

async fn ended() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if let Err(error) = self.keep_state() {
            eprintln!("stripe-sim: failed to {error:#}");
        }
    }
}

//! A look at the database from outside, for an operator: what it is, who lives in it, what is due.
//!
//! Invariant: looking changes nothing, and enters no crew.

use std::time::Duration;

use domain::secret::Secret;
use domain::time::Timestamp;
use tokio::time::Instant;
use tokio_postgres::Row;

use super::servers::Servers;
use super::tls::Protection;
use super::{open, rows, sql};
use crate::error::Error;
use crate::seal::MasterKey;

/// Round trips that are timed.
const ROUND_TRIPS: usize = 9;

/// What a database looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The server's version, as `170002`.
    pub server: u32,
    /// How the way there is protected, as the URL asks.
    pub protection: Protection,
    /// The schema's version; 0 where there is none yet.
    pub schema: u32,
    /// The schema that this program would leave behind.
    pub schema_wanted: u32,
    /// How long a question takes, there and back: the median of a few.
    pub round_trip: Duration,
    /// Who has entered and not left.
    pub nodes: Vec<NodeRow>,
    /// Deliveries that are due.
    pub due: u64,
    /// Since when the oldest of them is.
    pub due_since: Option<Timestamp>,
    /// Bytes of the database.
    pub bytes: u64,
}

/// A node, as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// How an operator calls it.
    pub name: String,
    /// When it first beat; `None` before that.
    pub since: Option<Timestamp>,
    /// When it beat last, by its own clock; `None` before the first time.
    pub seen_at: Option<Timestamp>,
    /// Whether others have declared it dead.
    pub is_dead: bool,
    /// Deliveries that it has leased.
    pub leases: u64,
}

/// Looks at a database without entering its crew, and makes sure that its secrets open.
pub async fn inspect(url: &Secret, master: &MasterKey, now: Timestamp) -> Result<About, Error> {
    let servers = Servers::read(url)?;
    let protection = servers.protection();
    let link = open::connect(&servers).await?;
    open::check(&link).await?;
    let mut trips = Vec::with_capacity(ROUND_TRIPS);
    let mut version = 0;
    for _ in 0..ROUND_TRIPS {
        let began = Instant::now();
        let found = link.ask(sql::version_read, &[]).await?;
        trips.push(began.elapsed());
        version = found.first().map_or(Ok(0), |row| rows::count(row, 0))?;
    }
    trips.sort_unstable();
    let mut about = About {
        server: version,
        protection,
        schema: open::schema(&link).await?,
        schema_wanted: open::schema_wanted(),
        round_trip: trips.get(ROUND_TRIPS / 2).copied().unwrap_or_default(),
        nodes: Vec::new(),
        due: 0,
        due_since: None,
        bytes: 0,
    };
    if about.schema == 0 {
        return Ok(about);
    }
    open::try_key(&link, master).await?;
    for row in link.ask(sql::node_leases, &[]).await? {
        about.nodes.push(node(&row)?);
    }
    for row in link.ask(sql::queue_standing, &[&now.as_millis()]).await? {
        about.due = rows::column::<i64>(&row, 0)?.unsigned_abs();
        about.due_since = rows::column::<Option<i64>>(&row, 1)?.map(Timestamp::from_millis);
        about.bytes = rows::column::<i64>(&row, 2)?.unsigned_abs();
    }
    Ok(about)
}

fn node(row: &Row) -> Result<NodeRow, Error> {
    let moment = |at| {
        let millis: i64 = rows::column(row, at)?;
        Ok::<_, Error>((millis > 0).then(|| Timestamp::from_millis(millis)))
    };
    Ok(NodeRow {
        name: rows::column(row, 0)?,
        since: moment(1)?,
        seen_at: moment(2)?,
        is_dead: rows::column(row, 3)?,
        leases: rows::column::<i64>(row, 4)?.unsigned_abs(),
    })
}

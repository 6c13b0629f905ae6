//! Reading: listings, searches, one message, its steps.

use rusqlite::{OptionalExtension as _, params_from_iter, types::Value};

use super::{Index, IndexError, Query, Row, Step};

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Newest first.
    pub(crate) rows: Vec<Row>,
    /// Give this as `before` for the next part.
    pub(crate) next: Option<i64>,
}

impl Index {
    /// Messages that fit, newest first, from before `before` on.
    pub(crate) fn list(
        &self,
        query: &Query,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Listing, IndexError> {
        let mut sql = format!("SELECT {} FROM message AS m", Row::COLUMNS);
        let mut values = Vec::new();
        let mut clauses = Vec::new();
        let order = if query.words.is_empty() { "m.seq" } else { "w.rowid" };
        if !query.words.is_empty() {
            // The full-text search walks from the newest; a join the other way round would sort.
            sql =
                format!("SELECT {} FROM words AS w CROSS JOIN message AS m ON m.seq = w.rowid", Row::COLUMNS);
            clauses.push("words MATCH ?".to_owned());
            values.push(Value::Text(query.words.clone()));
        }
        for (condition, value) in &query.conditions {
            clauses.push((*condition).to_owned());
            values.push(value.clone());
        }
        if let Some(before) = before {
            clauses.push(format!("{order} < ?"));
            values.push(Value::Integer(before));
        }
        if !clauses.is_empty() {
            sql.push_str(" WHERE ");
            sql.push_str(&clauses.join(" AND "));
        }
        sql.push_str(&format!(" ORDER BY {order} DESC LIMIT ?"));
        values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)));
        let connection = self.reader();
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), Row::read)?;
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| row.seq);
        Ok(Listing { rows, next })
    }

    /// One message.
    pub(crate) fn row(&self, id: &str) -> Result<Option<Row>, IndexError> {
        let connection = self.reader();
        let sql = format!("SELECT {} FROM message AS m WHERE m.id = ?", Row::COLUMNS);
        Ok(connection.prepare_cached(&sql)?.query_row([id], Row::read).optional()?)
    }

    /// The newest message with this control id, of whatever sender.
    pub(crate) fn by_control_id(&self, control_id: &str) -> Result<Option<Row>, IndexError> {
        let connection = self.reader();
        let sql = format!(
            "SELECT {} FROM message AS m WHERE m.control_id = ? ORDER BY m.seq DESC LIMIT 1",
            Row::COLUMNS
        );
        Ok(connection.prepare_cached(&sql)?.query_row([control_id], Row::read).optional()?)
    }

    /// The bytes of a message that the store does not have.
    pub(crate) fn body(&self, seq: i64) -> Result<Option<Vec<u8>>, IndexError> {
        self.blob("SELECT body FROM message WHERE seq = ?", seq)
    }

    /// The last answer to a message.
    pub(crate) fn acknowledgment(&self, seq: i64) -> Result<Option<Vec<u8>>, IndexError> {
        self.blob("SELECT acknowledgment FROM message WHERE seq = ?", seq)
    }

    fn blob(&self, sql: &str, seq: i64) -> Result<Option<Vec<u8>>, IndexError> {
        let connection = self.reader();
        let found: Option<Option<Vec<u8>>> =
            connection.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()?;
        Ok(found.flatten())
    }

    /// The messages of the same patient before and after this one.
    pub(crate) fn neighbours(&self, row: &Row) -> Result<(Option<Row>, Option<Row>), IndexError> {
        if row.patient.is_empty() {
            return Ok((None, None));
        }
        let connection = self.reader();
        let look = |comparison: &str, order: &str| {
            let sql = format!(
                "SELECT {} FROM message AS m WHERE m.patient = ? AND m.patient <> '' AND m.seq {comparison} ? \
                 ORDER BY m.seq {order} LIMIT 1",
                Row::COLUMNS
            );
            let found = connection.prepare_cached(&sql)?.query_row((&row.patient, row.seq), Row::read);
            found.optional()
        };
        Ok((look("<", "DESC")?, look(">", "ASC")?))
    }

    /// What happened to a message, in order.
    pub(crate) fn steps(&self, seq: i64) -> Result<Vec<Step>, IndexError> {
        let connection = self.reader();
        let sql =
            "SELECT number, at_us, kind, detail FROM step WHERE seq = ? ORDER BY at_us, number LIMIT 1000";
        let mut statement = connection.prepare_cached(sql)?;
        let steps = statement.query_map([seq], Step::read)?.collect::<Result<_, _>>()?;
        Ok(steps)
    }

    /// The messages that something happened to after step `after`, each once, oldest change first, and the last step.
    pub(crate) fn changed(&self, after: i64, limit: usize) -> Result<(Vec<Row>, i64), IndexError> {
        let connection = self.reader();
        let sql = format!(
            "SELECT {}, c.last FROM (SELECT seq, max(number) AS last FROM (SELECT seq, number FROM step WHERE number > ? \
             ORDER BY number LIMIT ?) GROUP BY seq) AS c JOIN message AS m ON m.seq = c.seq ORDER BY c.last",
            Row::COLUMNS
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(&sql)?;
        let rows =
            statement.query_map((after, limit), |row| Ok((Row::read(row)?, row.get::<_, i64>(21)?)))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let last = rows.last().map_or(after, |(_, last)| *last);
        Ok((rows.into_iter().map(|(row, _)| row).collect(), last))
    }

    /// The number of the last step, and of the oldest that is still there.
    pub(crate) fn last_step(&self) -> Result<(i64, i64), IndexError> {
        let connection = self.reader();
        let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'step'), 0), \
                   coalesce((SELECT min(number) FROM step), 0)";
        Ok(connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// How many messages there are, and how many in each state.
    pub(crate) fn counts(&self) -> Result<Vec<(String, i64)>, IndexError> {
        let connection = self.reader();
        let mut statement =
            connection.prepare_cached("SELECT state, count(*) FROM message GROUP BY state")?;
        let counts =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(counts)
    }
}

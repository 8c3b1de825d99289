//! Apache Parquet: each column of the table a column of its type.

use std::{
    io::{self, Write},
    sync::Arc,
};

use jiff::Timestamp;
use parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as Physical},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::Type,
};
use serde_json::Value;

use super::Writer;
use crate::store::{Column, Kind, Record};

/// Records that are held until they are written together.
pub(super) const ROW_GROUP: usize = 4096;

pub(super) struct Parquet<W: Write + Send> {
    columns: Vec<Column>,
    held: Vec<Record>,
    out: SerializedFileWriter<W>,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(columns: &[Column], out: W) -> io::Result<Self> {
        let schema = schema(columns).map_err(told)?;
        let properties = Arc::new(WriterProperties::builder().build());
        Ok(Self {
            columns: columns.to_vec(),
            held: Vec::new(),
            out: SerializedFileWriter::new(out, Arc::new(schema), properties).map_err(told)?,
        })
    }

    fn put(&mut self) -> Result<(), ParquetError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let mut group = self.out.next_row_group()?;
        for column in &self.columns {
            let values = self
                .held
                .iter()
                .map(|it| it.get(column.name).unwrap_or(&Value::Null));
            match column.kind {
                Kind::Int => put::<Int64Type, _>(&mut group, values, Value::as_i64),
                Kind::Real => put::<DoubleType, _>(&mut group, values, Value::as_f64),
                Kind::Bool => put::<BoolType, _>(&mut group, values, Value::as_bool),
                Kind::Time => put::<Int64Type, _>(&mut group, values, |it| {
                    Some(it.as_str()?.parse::<Timestamp>().ok()?.as_microsecond())
                }),
                Kind::Text => put::<ByteArrayType, _>(&mut group, values, |it| {
                    it.as_str().map(ByteArray::from)
                }),
                Kind::Json => put::<ByteArrayType, _>(&mut group, values, |it| {
                    (!it.is_null()).then(|| ByteArray::from(it.to_string().as_str()))
                }),
            }?;
        }
        group.close()?;
        self.held.clear();
        Ok(())
    }
}

impl<W: Write + Send> Writer for Parquet<W> {
    fn write(&mut self, record: &Record) -> io::Result<bool> {
        self.held.push(record.clone());
        if self.held.len() >= ROW_GROUP {
            self.put().map_err(told)?;
        }
        Ok(true)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.put().map_err(told)?;
        self.out.close().map_err(told)?;
        Ok(())
    }
}

/// One column of a row group: what is there, and where nothing is.
fn put<'a, T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = &'a Value>,
    read: impl Fn(&Value) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let read: Vec<_> = values.map(read).collect();
    let levels: Vec<i16> = read.iter().map(|it| i16::from(it.is_some())).collect();
    let there: Vec<_> = read.into_iter().flatten().collect();
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("a column too many".into()));
    };
    column
        .typed::<T>()
        .write_batch(&there, Some(&levels), None)?;
    column.close()
}

fn schema(columns: &[Column]) -> Result<Type, ParquetError> {
    let field = |it: &Column| {
        let (physical, logical) = match it.kind {
            Kind::Int => (Physical::INT64, None),
            Kind::Real => (Physical::DOUBLE, None),
            Kind::Bool => (Physical::BOOLEAN, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
            Kind::Time => {
                let logical = LogicalType::Timestamp {
                    is_adjusted_to_u_t_c: true,
                    unit: TimeUnit::MICROS,
                };
                (Physical::INT64, Some(logical))
            }
        };
        let field = Type::primitive_type_builder(it.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()?;
        Ok(Arc::new(field))
    };
    let fields = columns
        .iter()
        .map(field)
        .collect::<Result<_, ParquetError>>()?;
    Type::group_type_builder("record")
        .with_fields(fields)
        .build()
}

fn told(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

//! How the table is written.

/// Makes the enumeration of events and the rows behind it.
macro_rules! events {
    ($(
        $(#[doc = $when:literal])+
        $name:ident = $id:literal, $level:ident, [$($keyword:ident),*], $opcode:ident,
            ($($field:ident),*) $(, $message:literal)?;
    )+) => {
        /// An event that the driver tells.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Event {
            $(
                $(#[doc = $when])+
                $name = $id,
            )+
        }

        /// All events, in the order of their ids.
        pub const EVENTS: &[Event] = &[$(Event::$name),+];

        /// What is to be known of them, in the same order.
        pub const ROWS: &[Row] = &[$(
            Row {
                id: $id,
                name: stringify!($name),
                level: Level::$level,
                keywords: &[$(Keyword::$keyword),*],
                opcode: Opcode::$opcode,
                fields: &[$(stringify!($field)),*],
                when: concat!($($when),+),
                message: message!($($message)?),
            },
        )+];
    };
}

/// The text of an event, if it has one.
macro_rules! message {
    () => {
        None
    };
    ($message:literal) => {
        Some($message)
    };
}

impl crate::Event {
    /// Its id.
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }
}

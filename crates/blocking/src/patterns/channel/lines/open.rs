use std::sync::Arc;
use std::time::Instant;

use scramjet_client_core::{OutputStream, ReadStream, SendInput};

use crate::body::input::{Input, InputStream};
use crate::body::upload::Upload;
use crate::error::Error;
use crate::handles::instance::InstanceClient;
use crate::handles::instance::input::send;
use crate::handles::instance::output::{HEAD_LIMIT, open_until_ended};
use crate::patterns::channel::codec::Format;
use crate::patterns::channel::lines::LineChannel;
use crate::patterns::channel::lines::reader::read;
use crate::patterns::channel::lines::state::{State, StreamEnd};
use crate::streams::pipe::pipe;
use crate::support::monitor::Monitor;
use crate::support::threads;

impl LineChannel {
    pub(crate) fn open(instance: &InstanceClient, format: Format) -> Result<Self, Error> {
        let mut client = instance.host.client.fix_deadline();
        let id = instance.id().clone();
        let operation = ReadStream {
            id: &id,
            stream: OutputStream::Output,
        };
        let may_repeat =
            client.dialect()?.doubles_early_input() && !client.known_inputs().is_listening(&id);
        let call = client.begin(&operation)?;
        let hold = client.life.as_ref().and_then(|life| life.hold());
        let idle = client.options.idle;
        let outer = client.options.cancel.take().unwrap_or_default();
        let (input_token, output_token) = (outer.child(), outer.child());
        let shared = Arc::new(Monitor::new(State {
            may_repeat,
            ..State::default()
        }));

        let mut reader = client.clone();
        reader.options.cancel = Some(output_token.clone());
        // The output is silent while no request is outstanding.
        reader.options.idle = None;
        let mut output = open_until_ended(&reader, &id, OutputStream::Output)
            .inspect_err(|error| client.notice(error))?;
        output
            .await_head(Some(Instant::now() + HEAD_LIMIT))
            .inspect_err(|error| client.notice(error))?;

        let mut writer = client.clone();
        writer.options.cancel = Some(input_token.clone());
        let (writer, watch) = writer.watching(&id)?;
        let (pipe, data) = pipe(&writer.limits::<SendInput<'_>>()?);
        let direct = data.direct();
        let data = Input::bytes(Upload::reader(data).direct(direct))
            .content_type(format.content_type())
            .end(false);
        client.options.cancel = Some(outer);

        let channel = Self {
            client,
            id: id.clone(),
            call,
            idle,
            pipe: Some(pipe),
            shared: Arc::clone(&shared),
            input_token,
            output_token,
            in_flight: 0,
            first_request: None,
            probe_at: None,
            format,
            broken: None,
            failed: false,
            _hold: hold,
        };
        let (output_shared, output_id) = (Arc::clone(&shared), id.clone());
        channel.spawn("scramjet-responses", move || {
            let read = || read(&output_shared, &mut output, format, &reader, &output_id);
            if let Some(end) = StreamEnd::of(read) {
                output_shared.change(|state| state.output = Some(end));
            }
        })?;
        channel.spawn("scramjet-requests", move || {
            let send = || match send(&writer, &watch, &id, InputStream::Input, data) {
                Ok(_) => Some(StreamEnd::Sent),
                Err(error) => Some(StreamEnd::Failed(error)),
            };
            if let Some(end) = StreamEnd::of(send) {
                shared.change(|state| state.input = Some((Instant::now(), end)));
            }
        })?;
        Ok(channel)
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        threads::start(name, work).map_err(|error| self.call.failed(error))
    }
}

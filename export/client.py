"""Ask a TF Serving model server, with the answers, JSON and pictures of ``keras-uncover predict``.

    python -m export.client photo.jpg --url http://localhost:8501 --json
    python -m export.client photos/ --grpc localhost:8500 --out answers

The photos' bytes go to the server as they are, metadata and all, and nowhere else: a proxy that the environment names
is not asked, and no redirect is followed. --proxy asks one.

exit codes:
  0  every photo was answered
  1  an output could not be written
  2  the command line is wrong
  3  some inputs were refused; the others are answered
  5  the server is not there, does not fit or fails
"""

import argparse
import sys
import time
from urllib.parse import urlsplit

from export.fields import FACES, FIELDS, PICTURE_FIELDS
from export.replies import check_description, check_reply, read_reply
from export.servers import GrpcServer, RestServer, ServerError
from keras_uncover.cli.console import Console
from keras_uncover.cli.inputs import InputError, collect_photos
from keras_uncover.escapes import Parser
from keras_uncover.files import hash_regular
from keras_uncover.images.decode import ImageError, decode_image, read_bytes
from keras_uncover.inference import outputs
from keras_uncover.inference.records import RecordWriter, error_record, to_records
from keras_uncover.overwriting import OverwriteError
from keras_uncover.process import ended_by_term, hushed_start, open_closed_streams
from keras_uncover.refusals import end_in_words

DONE, REFUSED = 0, 3
MEBIBYTE = 2**20


def build_parser():
    """The command line."""
    parser = Parser(
        prog="python -m export.client", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="file, folder or glob")
    address = parser.add_mutually_exclusive_group(required=True)
    address.add_argument("--url", help="REST, for instance http://localhost:8501")
    address.add_argument("--grpc", metavar="HOST:PORT", help="gRPC, for instance localhost:8500")
    parser.add_argument(
        "--proxy", type=proxy_url, metavar="URL", help="send all through this HTTP proxy (default: none, ever)"
    )
    parser.add_argument("--out", metavar="DIR", help="write target, donor, mask, re-swap and a figure for each face")
    parser.add_argument(
        "--overwrite", action="store_true", help="let pictures replace files that this program did not write"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object a face and line to stdout")
    parser.add_argument("--model", default="keras_uncover", help="its name on the server (default: %(default)s)")
    parser.add_argument(
        "--batch", type=above_zero, default=4, metavar="N", help="photos a request (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=above_zero, default=60, metavar="S",
        help="seconds that one answer may take (default: %(default)s)",
    )
    parser.add_argument(
        "--max-message", type=above_zero, default=256, metavar="MIB",
        help="largest request and answer in MiB (default: %(default)s)",
    )
    return parser


def above_zero(text):
    """A whole number from 1 on, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on; received {text!r}")
    return int(text)


def proxy_url(text):
    """The URL of an HTTP proxy with its port, for argparse."""
    try:
        parts = urlsplit(text)
        well = parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:
        well = False
    if not well:
        raise argparse.ArgumentTypeError(f"must be http://HOST:PORT; received {text!r}")
    return text


def main(arguments=None):
    """Run the client; returns the exit code."""
    open_closed_streams()
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        photos = collect_photos(options.photos).photos
        if options.out is not None:
            outputs.prepare_folder(options.out)
            outputs.check_pictures(outputs.name_outputs(photos, options.out), options.out, overwrite=options.overwrite)
    except InputError as error:
        parser.error(str(error))
    except OverwriteError as error:
        parser.error(f"--out: {error}")
    except OSError as error:
        parser.error(f"--out must be a folder that can be written; {options.out!r}: {error.strerror}")
    return end_in_words("client", ask_and_answer, photos, options)


def ask_and_answer(photos, options):
    """Reach the server and answer all photos; returns the exit code."""
    with hushed_start():  # gRPC's protos import TensorFlow
        server = connect(options)
        check_description(server.describe())
    with ended_by_term():
        return answer_photos(server, photos, options)


def connect(options):
    """The server that the command line names. Raises ``ServerError`` where a package for it is missing."""
    try:
        if options.url is not None:
            return RestServer(options.url, options.model, options.timeout, options.proxy)
        return GrpcServer(
            options.grpc, options.model, options.timeout, options.max_message * MEBIBYTE, options.proxy
        )
    except ImportError as error:
        raise ServerError("The client needs the packages of the extra [serve]", f"an installation without: {error}",
                          "Install them: pip install 'keras-uncover[serve]'.") from error


def answer_photos(server, photos, options):
    """Ask for every photo and write what was wanted; returns the exit code."""
    console = Console(len(photos), talks=not options.json)
    stems = {} if options.out is None else outputs.name_outputs(photos, options.out)
    writer = RecordWriter(options.json, None)
    fields = FIELDS if options.out is None else FIELDS + PICTURE_FIELDS
    refused = number = 0
    for batch in make_batches(photos, options.batch, options.max_message * MEBIBYTE // 2):
        for photo, data, result in ask_batch(server, batch, fields):
            number += 1
            console.count(number)
            if isinstance(result, ImageError):
                refused += 1
                console.refuse(photo, result)
                writer.write(error_record(photo, result.sha256 or hash_regular(photo), result))
                continue
            paths = None
            if options.out is not None:
                result.photo = decode_image(data)
                paths = outputs.write_pictures(options.out, stems[photo], result, overwrite=options.overwrite)
            for record in to_records(result, paths):
                writer.write(record)
                console.tell(record)
    console.finish(refused)
    return REFUSED if refused else DONE


def make_batches(photos, most, most_bytes):
    """Yield lists of ``(photo, its bytes or the ImageError that reading it raised)``.

    A batch holds at most ``most`` photos that were read and, unless one alone is larger, ``most_bytes`` bytes.
    """
    batch, size, sent = [], 0, 0
    for photo in photos:
        try:
            data = read_bytes(photo)
        except ImageError as error:
            data = error
        if isinstance(data, ImageError):
            batch.append((photo, data))
            continue
        if sent and (sent == most or size + len(data) > most_bytes):
            yield batch
            batch, size, sent = [], 0, 0
        batch.append((photo, data))
        size, sent = size + len(data), sent + 1
    if batch:
        yield batch


def ask_batch(server, batch, fields):
    """Yield ``(photo, bytes, Result or ImageError)`` of a batch, in its order."""
    sent = [(photo, data) for photo, data in batch if not isinstance(data, ImageError)]
    started = time.perf_counter()
    reply = server.predict(FACES, [data for _, data in sent], fields) if sent else {}
    seconds = (time.perf_counter() - started) / max(1, len(sent))
    if sent:
        check_reply(reply, fields, len(sent))
    row = 0
    for photo, data in batch:
        if isinstance(data, ImageError):
            yield photo, None, data
            continue
        try:
            result = read_reply(reply, row, photo, data)
            for face in result.faces:
                face.seconds = seconds / len(result.faces)
        except ImageError as error:
            result = error
        row += 1
        yield photo, data, result


if __name__ == "__main__":
    sys.exit(main())

package rest

import (
	"compress/gzip"
	"errors"
	"io"
	"unicode/utf8"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/bounds"
)

// codec is JSON as requests and answers have it: the same bytes by every build, and what
// can't be read is the client's fault.
type codec struct{ vanguard.JSONCodec }

func newCodec(types vanguard.TypeResolver) vanguard.Codec {
	marshal := written
	marshal.Resolver = types
	return codec{vanguard.JSONCodec{MarshalOptions: marshal, UnmarshalOptions: protojson.UnmarshalOptions{Resolver: types}}}
}

// MarshalAppend implements vanguard.Codec.
func (c codec) MarshalAppend(base []byte, m proto.Message) ([]byte, error) {
	b, err := c.MarshalAppendStable(nil, m)
	return append(base, b...), err
}

// Unmarshal implements vanguard.Codec.
func (c codec) Unmarshal(b []byte, m proto.Message) error {
	return readable(b, func() error { return c.JSONCodec.Unmarshal(b, m) })
}

// UnmarshalField implements vanguard.RESTCodec.
func (c codec) UnmarshalField(b []byte, m proto.Message, f protoreflect.FieldDescriptor) error {
	return readable(b, func() error { return c.JSONCodec.UnmarshalField(b, m, f) })
}

func readable(b []byte, read func() error) error {
	err := errors.New("not UTF-8")
	if utf8.Valid(b) {
		err = read()
	}
	if err != nil {
		return connect.NewError(connect.CodeInvalidArgument, err)
	}
	return nil
}

// unzipped reads gzip up to the size of the greatest message: a few bytes could become
// gigabytes before anybody has asked who sent them.
type unzipped struct {
	gzip.Reader
	left int
}

// Reset implements connect.Decompressor.
func (u *unzipped) Reset(r io.Reader) error {
	u.left = bounds.MaxMessage
	return invalid(u.Reader.Reset(r))
}

// Read implements io.Reader.
func (u *unzipped) Read(p []byte) (int, error) {
	if u.left <= 0 {
		return 0, connect.NewError(connect.CodeResourceExhausted, errors.New("the message is too large when it is unpacked"))
	}
	n, err := u.Reader.Read(p[:min(len(p), u.left)])
	u.left -= n
	return n, invalid(err)
}

// invalid is what an error of reading means to the client; the end is none.
func invalid(err error) error {
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return connect.NewError(connect.CodeInvalidArgument, err)
}

package rest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// stream is an RPC whose answers are told as server-sent events. The query has the fields
// of its request; snapshot=false leaves a snapshot of DNs out.
type stream struct {
	path   string
	method protoreflect.FullName
	// cursor is the field of the request to which a client's Last-Event-ID goes; "" none.
	cursor string
}

var streams = []stream{
	{path: "/v1/watch", method: "sipcluster.tc.v1.Availability.Watch", cursor: "resume_cursor"},
	{path: "/v1/groups:watch", method: "sipcluster.tc.v1.Statistics.WatchGroups"},
	{path: "/v1/nodes/{name}/watch", method: "sipcluster.tc.v1.Cluster.WatchNode"},
	{path: "/v1/events:watch", method: "sipcluster.tc.v1.Diagnosis.WatchEvents", cursor: "cursor"},
	{path: "/v1/audit", method: "sipcluster.config.v1.Access.Audit"},
}

const (
	// frameHead stands before each message of gRPC: whether it is compressed, and its length.
	frameHead = 5
	// writeWithin is how long a client may take for what is written to it.
	writeWithin = 30 * time.Second
)

// events serves a stream by the gRPC server's own handler of HTTP.
type events struct {
	server *grpc.Server
	stream
}

func (e events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, err := methodOf(e.method)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, codes.Unimplemented, "a stream is read by GET")
		return
	}
	req, snapshot, err := e.asked(r, method.in)
	if err != nil {
		fail(w, codes.InvalidArgument, err.Error())
		return
	}
	asked, err := request(r, method.path, req)
	if err != nil {
		fail(w, codes.InvalidArgument, err.Error())
		return
	}
	told := &teller{to: w, control: http.NewResponseController(w), message: method.out, header: http.Header{}, tailOnly: !snapshot}
	e.server.ServeHTTP(told, asked)
	told.end()
}

// asked is the request that the query has, and whether a snapshot is wanted, too.
func (e events) asked(r *http.Request, in protoreflect.MessageType) (req proto.Message, snapshot bool, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, false, err
	}
	snapshot = true
	if said, ok := query["snapshot"]; ok {
		if snapshot, err = strconv.ParseBool(said[0]); err != nil || len(said) > 1 {
			return nil, false, fmt.Errorf("snapshot=%q: want true or false", said)
		}
		query.Del("snapshot")
	}
	var path []string
	if name := r.PathValue("name"); name != "" {
		path = []string{"name"}
	}
	if err := once(in.Descriptor(), query, path); err != nil {
		return nil, false, err
	}
	for _, name := range path {
		query.Set(name, r.PathValue(name))
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" && e.cursor != "" {
		query.Set(e.cursor, id) // of a browser that repeats its first request
	}
	m := in.New()
	return m.Interface(), snapshot, fill(m, query)
}

type method struct {
	path    string
	in, out protoreflect.MessageType
}

func methodOf(name protoreflect.FullName) (method, error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return method{}, err
	}
	m, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return method{}, fmt.Errorf("%s is no method", name)
	}
	in, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
	out, err2 := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	return method{fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()), in, out}, errors.Join(err, err2)
}

// fill sets the fields that a query names, as filter.group=sales.
func fill(m protoreflect.Message, query url.Values) error {
	for name, values := range query {
		at, names := m, strings.Split(name, ".")
		for len(names) > 1 {
			f := at.Descriptor().Fields().ByName(protoreflect.Name(names[0]))
			if f == nil || f.Message() == nil || f.IsList() || f.IsMap() {
				return fmt.Errorf("there is no %q", name)
			}
			at, names = at.Mutable(f).Message(), names[1:]
		}
		f := at.Descriptor().Fields().ByName(protoreflect.Name(names[0]))
		if f == nil || f.Message() != nil {
			return fmt.Errorf("there is no %q", name)
		}
		for _, text := range values {
			v, err := parse(f, text)
			if err != nil {
				return fmt.Errorf("%s=%q: %w", name, text, err)
			}
			if f.IsList() {
				at.Mutable(f).List().Append(v)
			} else {
				at.Set(f, v)
			}
		}
	}
	return nil
}

func parse(f protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	switch f.Kind() {
	case protoreflect.StringKind:
		if !utf8.ValidString(text) {
			return protoreflect.Value{}, errors.New("not UTF-8")
		}
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(text)
		return protoreflect.ValueOfBool(b), err
	case protoreflect.Uint32Kind:
		n, err := strconv.ParseUint(text, 10, 32)
		return protoreflect.ValueOfUint32(uint32(n)), err
	case protoreflect.Uint64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		return protoreflect.ValueOfUint64(n), err
	case protoreflect.BytesKind:
		return bytesOf(text)
	case protoreflect.EnumKind:
		if v := f.Enum().Values().ByName(protoreflect.Name(text)); v != nil {
			return protoreflect.ValueOfEnum(v.Number()), nil
		}
		return protoreflect.Value{}, errors.New("there is no such value")
	}
	return protoreflect.Value{}, errors.New("not in a query")
}

// bytesOf reads base64 as JSON has it.
func bytesOf(text string) (protoreflect.Value, error) {
	var b []byte
	quoted, err := json.Marshal(text)
	if err == nil {
		err = json.Unmarshal(quoted, &b)
	}
	return protoreflect.ValueOfBytes(b), err
}

// teller is the response of the gRPC server: what it writes are frames, and they are told
// as events.
type teller struct {
	to      http.ResponseWriter
	control *http.ResponseController
	message protoreflect.MessageType
	header  http.Header
	// tailOnly: what is told of a snapshot is left out.
	tailOnly bool
	begun    bool
	rest     []byte
	err      error
}

// request is r as the gRPC server takes it.
func request(r *http.Request, path string, req proto.Message) (*http.Request, error) {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, frameHead), req)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-frameHead))
	out := r.Clone(r.Context())
	out.Method, out.ProtoMajor, out.ProtoMinor, out.Proto = http.MethodPost, 2, 0, "HTTP/2.0"
	out.URL.Path, out.URL.RawPath, out.URL.RawQuery = path, "", ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	for name := range out.Header {
		if name != "Authorization" {
			out.Header.Del(name)
		}
	}
	out.Header.Set("Content-Type", "application/grpc")
	out.Header.Set("Te", "trailers")
	return out, nil
}

// Header implements http.ResponseWriter: of the gRPC server's headers and trailers only
// the status is looked at.
func (t *teller) Header() http.Header { return t.header }

// WriteHeader implements http.ResponseWriter.
func (t *teller) WriteHeader(int) {}

// Flush implements http.Flusher.
func (t *teller) Flush() {
	if t.begun {
		_ = t.control.Flush()
	}
}

// Write implements http.ResponseWriter.
func (t *teller) Write(b []byte) (int, error) {
	t.rest = append(t.rest, b...)
	for t.err == nil && len(t.rest) >= frameHead {
		size := int(binary.BigEndian.Uint32(t.rest[1:]))
		if len(t.rest) < frameHead+size {
			break
		}
		t.err = t.tell(t.rest[frameHead : frameHead+size])
		t.rest = t.rest[frameHead+size:]
	}
	return len(b), t.err
}

// tell writes a message as an event, whose id is the cursor to resume behind.
func (t *teller) tell(frame []byte) error {
	m := t.message.New().Interface()
	if err := proto.Unmarshal(frame, m); err != nil {
		return err
	}
	if t.tailOnly && ofSnapshot(m) {
		return nil
	}
	b, err := line(m)
	if err != nil {
		return err
	}
	if !t.begun {
		t.begun = true
		h := t.to.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no")
	}
	_ = t.control.SetWriteDeadline(time.Now().Add(writeWithin))
	if id := cursorOf(m.ProtoReflect()); id != "" {
		if _, err := fmt.Fprintf(t.to, "id: %s\n", id); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(t.to, "data: %s\n\n", b)
	return err
}

// line is a message as JSON, the same by every build.
func line(m proto.Message) ([]byte, error) {
	b, err := written.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Compact(&out, b)
	return out.Bytes(), err
}

// ofSnapshot tells whether a message is part of a snapshot of DNs.
func ofSnapshot(m proto.Message) bool {
	w, ok := m.(*tcpb.WatchResponse)
	return ok && len(w.GetEvents().GetEvents()) > 0 && w.GetEvents().GetEvents()[0].GetSnapshot()
}

// cursorOf is what the message says to resume behind, as JSON has it.
func cursorOf(m protoreflect.Message) (id string) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Name() == "cursor" && f.Kind() == protoreflect.BytesKind:
			b, _ := json.Marshal(v.Bytes())
			id = strings.Trim(string(b), `"`)
		case f.Message() != nil && !f.IsList() && !f.IsMap():
			id = cursorOf(v.Message())
		}
		return id == ""
	})
	return id
}

// end tells how the RPC ended.
func (t *teller) end() {
	code, message := codes.Unknown, t.header.Get(http.TrailerPrefix+"Grpc-Message")
	for _, name := range []string{"Grpc-Status", http.TrailerPrefix + "Grpc-Status"} {
		if n, err := strconv.Atoi(t.header.Get(name)); err == nil {
			code = codes.Code(n) //nolint:gosec // what it is unknown for is unknown
		}
	}
	if message == "" {
		message = t.header.Get("Grpc-Message")
	}
	if unescaped, err := url.PathUnescape(message); err == nil {
		message = unescaped
	}
	switch {
	case !t.begun && code == codes.OK:
		t.to.Header().Set("Content-Type", "text/event-stream")
	case !t.begun:
		fail(t.to, code, message)
	case code != codes.OK:
		b, _ := json.Marshal(problem{int(code), message})
		_, _ = fmt.Fprintf(t.to, "event: error\ndata: %s\n\n", b)
	}
}

// problem is an error as the transcoder writes it, too (google.rpc.Status).
type problem struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func fail(w http.ResponseWriter, code codes.Code, message string) {
	refuse(w, httpStatus(code), code, message)
}

func refuse(w http.ResponseWriter, status int, code codes.Code, message string) {
	w.Header().Set("Content-Type", "application/json")
	asksForToken(w, status)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{int(code), message})
}

// asksForToken says with 401 how a client says who it is (RFC 9110 section 15.5.2, RFC 6750 section 3).
func asksForToken(w http.ResponseWriter, status int) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
}

// httpStatus is that of google.rpc.Code.
func httpStatus(code codes.Code) int {
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

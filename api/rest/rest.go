// Package rest serves the gRPC services of a node as REST with JSON, as Connect and as
// gRPC-Web, and its streams as server-sent events. It decides nothing: every request goes
// through the gRPC server with its interceptors, as if it had come by the TCport.
package rest

import (
	"cmp"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"go.yaml.in/yaml/v3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sipcluster/sipcluster/api/bounds"
)

//go:embed rules.yaml
var rules []byte

//go:embed openapi.swagger.json
var openAPI []byte

// Prefixes are the paths that NewHandler serves.
var Prefixes = []string{
	"/v1/",
	"/sipcluster.config.v1.Configuration/", "/sipcluster.config.v1.Access/",
	"/sipcluster.tc.v1.Availability/", "/sipcluster.tc.v1.Cluster/", "/sipcluster.tc.v1.Diagnosis/", "/sipcluster.tc.v1.Statistics/", "/sipcluster.tc.v1.Calls/",
}

// written is how messages are written: with the names of the .proto files, as the
// command line does it, and with all their fields.
var written = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}

// NewHandler returns the handler of Prefixes for the services that are registered at the
// server by now. Browsers can't use it from pages of elsewhere.
func NewHandler(server *grpc.Server) (http.Handler, error) {
	way, err := httpRules()
	if err != nil {
		return nil, err
	}
	var services []*vanguard.Service
	for name := range server.GetServiceInfo() {
		services = append(services, vanguard.NewService(name, server))
	}
	transcoder, err := vanguard.NewTranscoder(services, vanguard.WithRules(way...), vanguard.WithCodec(newCodec),
		vanguard.WithCompression(vanguard.CompressionGzip, func() connect.Compressor { return gzip.NewWriter(io.Discard) }, func() connect.Decompressor { return &unzipped{} }),
		vanguard.WithDefaultServiceOptions(vanguard.WithMaxMessageBufferBytes(bounds.MaxMessage), vanguard.WithNoTargetCompression(),
			vanguard.WithTargetProtocols(vanguard.ProtocolGRPC), vanguard.WithTargetCodecs(vanguard.CodecProto)))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI)
	})
	for _, s := range streams {
		mux.Handle(s.path, events{server, s})
	}
	mux.Handle("/v1/", understood{unambiguous(way, transcoder)})
	mux.Handle("/", transcoder)
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, codes.PermissionDenied, "a page of another origin may not")
	}))
	return unkept(protection.Handler(timely(own(mux)))), nil
}

// unkept has no cache keep what is answered, and no browser guess what it is.
func unkept(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// taken are the headers that mean something; others, of proxies and browsers, are no
// metadata of gRPC, where those of its own have a form to keep.
var taken = []string{"Authorization", "Content-Type", "Content-Encoding", "Accept-Encoding", "Content-Length", "X-Server-Timeout", "Te", "Last-Event-Id",
	"Connect-Protocol-Version", "Connect-Timeout-Ms", "Connect-Content-Encoding", "Connect-Accept-Encoding", "Grpc-Timeout", "Grpc-Encoding", "Grpc-Accept-Encoding"}

// own leaves the headers that are taken, refuses what is not JSON, or says something in two
// places, and says {} where a request of REST says nothing.
func own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest := strings.HasPrefix(r.URL.Path, "/v1/")
		maps.DeleteFunc(r.Header, func(name string, _ []string) bool {
			return !slices.Contains(taken, name) || rest && strings.HasPrefix(name, "Grpc-")
		})
		if said := r.Header.Get("Content-Type"); rest && said != "" {
			if !isJSON(said) {
				refuse(w, http.StatusUnsupportedMediaType, codes.InvalidArgument, fmt.Sprintf("Content-Type %.64q: want application/json", said))
				return
			}
			r.Header.Set("Content-Type", "application/json")
		}
		switch says := r.ContentLength != 0; {
		case !rest || r.Method != http.MethodPost:
		case says && r.URL.RawQuery != "": // one might contradict the other
			fail(w, codes.InvalidArgument, "a request with a body has no query: what it asks for is in the body")
			return
		case !says:
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
		}
		next.ServeHTTP(w, r)
	})
}

// isJSON tells whether a body of that media type is read as JSON, which is UTF-8 (RFC 8259 section 8.1).
func isJSON(mediaType string) bool {
	t, params, err := mime.ParseMediaType(mediaType)
	return err == nil && t == "application/json" && strings.EqualFold(cmp.Or(params["charset"], "utf-8"), "utf-8")
}

// readWithin is how long a client may take for the next part of a request's body.
const readWithin = 10 * time.Second

// timely ends requests whose bodies come too slowly.
func timely(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody {
			r.Body = &body{ReadCloser: r.Body, control: http.NewResponseController(w)}
		}
		next.ServeHTTP(w, r)
	})
}

// body is read within bounded time; what is asked for afterwards may take long, as streams do.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	failed  atomic.Pointer[error] // why it can't be read to its end
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(readWithin))
	n, err := b.ReadCloser.Read(p)
	_ = b.control.SetReadDeadline(time.Time{})
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed.Store(&err)
	}
	return n, err
}

// httpRules are those of rules.yaml.
func httpRules() ([]*annotations.HttpRule, error) {
	var file struct {
		HTTP struct{ Rules []map[string]any }
	}
	if err := yaml.Unmarshal(rules, &file); err != nil {
		return nil, fmt.Errorf("rules.yaml: %w", err)
	}
	var all []*annotations.HttpRule
	var errs []error
	for _, r := range file.HTTP.Rules {
		b, err := json.Marshal(r)
		rule := &annotations.HttpRule{}
		errs = append(errs, err, protojson.Unmarshal(b, rule))
		all = append(all, rule)
	}
	return all, errors.Join(errs...)
}

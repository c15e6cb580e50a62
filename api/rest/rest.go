// Package rest serves the gRPC services of a node as REST with JSON, as Connect and as
// gRPC-Web, and its streams as server-sent events. It decides nothing: every request goes
// through the gRPC server with its interceptors, as if it had come by the TCport.
package rest

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"connectrpc.com/vanguard"
	"go.yaml.in/yaml/v3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
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
	"/sipcluster.tc.v1.Availability/", "/sipcluster.tc.v1.Cluster/", "/sipcluster.tc.v1.Diagnosis/", "/sipcluster.tc.v1.Statistics/",
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
	transcoder, err := vanguard.NewTranscoder(services, vanguard.WithRules(way...),
		vanguard.WithCodec(func(types vanguard.TypeResolver) vanguard.Codec {
			marshal := written
			marshal.Resolver = types
			return &vanguard.JSONCodec{MarshalOptions: marshal, UnmarshalOptions: protojson.UnmarshalOptions{Resolver: types}}
		}),
		vanguard.WithDefaultServiceOptions(vanguard.WithMaxMessageBufferBytes(bounds.MaxMessage),
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
		mux.Handle("GET "+s.path, events{server, s})
	}
	mux.Handle("/", understood{transcoder})
	return http.NewCrossOriginProtection().Handler(timely(mux)), nil
}

// readWithin is how long a client may take for the next part of a request's body.
const readWithin = 10 * time.Second

// timely ends requests whose bodies come too slowly.
func timely(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody {
			r.Body = body{r.Body, http.NewResponseController(w)}
		}
		next.ServeHTTP(w, r)
	})
}

// body is read within bounded time; what is asked for afterwards may take long, as streams do.
type body struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (b body) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(readWithin))
	n, err := b.ReadCloser.Read(p)
	_ = b.control.SetReadDeadline(time.Time{})
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

// Package rest serves the gRPC services of a node as REST with JSON, as Connect and as
// gRPC-Web, and its streams as server-sent events. It decides nothing: every request goes
// through the gRPC server with its interceptors, as if it had come by the TCport.
package rest

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

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
	return http.NewCrossOriginProtection().Handler(mux), nil
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

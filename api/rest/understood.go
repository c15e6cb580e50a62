package rest

import (
	"encoding/json"
	"net/http"

	"google.golang.org/grpc/codes"
)

// understood serves the transcoder, which says UNKNOWN with 500 of a request that it can't
// read. No service of a node does so: it is the client's fault.
type understood struct{ transcoder http.Handler }

func (u understood) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w}
	u.transcoder.ServeHTTP(a, r)
	if !a.kept {
		return
	}
	var p problem
	_ = json.Unmarshal(a.body, &p)
	if p.Code == int(codes.Unknown) {
		p.Code = int(codes.InvalidArgument)
	}
	w.Header().Del("Content-Length")
	fail(w, codes.Code(p.Code), p.Message) //nolint:gosec // any other number is a fault of the node
}

// answer is what the transcoder writes; a fault is kept back.
type answer struct {
	http.ResponseWriter
	kept bool
	body []byte
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	if a.kept = code == http.StatusInternalServerError; !a.kept {
		a.ResponseWriter.WriteHeader(code)
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.kept {
		a.body = append(a.body, b...)
		return len(b), nil
	}
	return a.ResponseWriter.Write(b)
}

// Flush implements http.Flusher.
func (a *answer) Flush() {
	if !a.kept {
		_ = http.NewResponseController(a.ResponseWriter).Flush()
	}
}

package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"

	"google.golang.org/grpc/codes"
)

// understood serves the transcoder's REST. What it says of a request that it can't read
// is the client's fault, not UNKNOWN with 500 as it has it: no service of a node says so.
// What it says as text is said as JSON, like all errors.
type understood struct{ transcoder http.Handler }

func (u understood) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w}
	u.transcoder.ServeHTTP(a, r)
	if !a.kept {
		return
	}
	w.Header().Del("Content-Length")
	maps.DeleteFunc(w.Header(), func(name string, _ []string) bool { // of the RPC that got no request
		return name == "Trailer" || strings.HasPrefix(name, "Grpc-") || strings.HasPrefix(name, http.TrailerPrefix)
	})
	var p problem
	b, _ := r.Body.(*body)
	switch err := json.Unmarshal(a.body, &p); {
	case b != nil && b.failed.Load() != nil: // whatever came of that
		fail(w, codes.InvalidArgument, fmt.Sprintf("the request's body can't be read to its end: %s", unread(*b.failed.Load())))
	case err != nil:
		refuse(w, a.status, codeOf(a.status), strings.TrimSpace(string(a.body)))
	case p.Code == int(codes.Unknown):
		fail(w, codes.InvalidArgument, p.Message)
	default:
		w.Header().Set("Content-Type", "application/json") // it may have kept that of the RPC
		asksForToken(w, a.status)
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body)
	}
}

// unread is why a body can't be read, without the connection's addresses.
func unread(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("nothing more came for %v", readWithin)
	}
	return err.Error()
}

// codeOf is the code of what the transcoder says without one.
func codeOf(status int) codes.Code {
	switch status {
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusMethodNotAllowed:
		return codes.Unimplemented
	}
	if status >= http.StatusInternalServerError {
		return codes.Internal
	}
	return codes.InvalidArgument
}

// answer is what the transcoder writes; a refusal is kept back.
type answer struct {
	http.ResponseWriter
	kept   bool
	status int
	body   []byte
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.status = status
	if a.kept = status >= http.StatusBadRequest; !a.kept {
		a.ResponseWriter.WriteHeader(status)
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

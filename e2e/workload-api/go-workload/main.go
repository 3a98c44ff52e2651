// A workload that knows nothing of Xebec, by go-spiffe: SPIFFE_ENDPOINT_SOCKET names the Workload API. The arguments are the URL of a
// service and the SPIFFE ID that it must prove; the answer is one JSON object.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func main() {
	answer, err := run(os.Args[1], os.Args[2])
	if err != nil {
		answer = map[string]any{"error": err.Error()}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
}

func run(url, server string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return nil, fmt.Errorf("X.509 source: %w", err)
	}
	defer source.Close()
	svid, err := source.GetX509SVID()
	if err != nil {
		return nil, err
	}
	tokens, err := workloadapi.NewJWTSource(ctx)
	if err != nil {
		return nil, fmt.Errorf("JWT source: %w", err)
	}
	defer tokens.Close()
	token, err := tokens.FetchJWTSVID(ctx, jwtsvid.Params{Audience: "db"})
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	judged, err := jwtsvid.ParseAndValidate(token.Marshal(), tokens, []string{"db"})
	if err != nil {
		return nil, fmt.Errorf("token by the library: %w", err)
	}
	authorizer := tlsconfig.AuthorizeID(spiffeid.RequireFromString(server))
	client := http.Client{Transport: &http.Transport{TLSClientConfig: tlsconfig.MTLSClientConfig(source, source, authorizer)}}
	response, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": svid.ID.String(), "token": judged.ID.String(), "status": response.StatusCode, "body": string(body)}, nil
}
